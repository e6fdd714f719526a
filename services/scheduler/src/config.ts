import { z } from 'zod';

const PoolKeys = z
  .string()
  .transform((text, context) => {
    try {
      return JSON.parse(text) as unknown;
    } catch {
      context.addIssue({ code: 'custom', message: 'is no JSON object of pool names and public keys' });
      return z.NEVER;
    }
  })
  .pipe(z.record(z.string().regex(/^[a-z0-9][a-z0-9-]{0,39}$/), z.base64()));

const PoolLimits = z
  .string()
  .default('{}')
  .transform((text, context) => {
    try {
      return JSON.parse(text) as unknown;
    } catch {
      context.addIssue({ code: 'custom', message: 'is no JSON object of pool names and numbers' });
      return z.NEVER;
    }
  })
  .pipe(z.record(z.string(), z.number().int().min(1)));

/** The environment of the scheduler. */
export const schedulerConfig = z.object({
  /** Public half of each worker pool's key, by pool; the private half is with its workers only. */
  RAHAT_POOL_KEYS: PoolKeys.meta({ examples: ['{"default":"<base64 of 32 bytes>"}'] }),
  /** How many runs a worker pool does at once, whoever they belong to. */
  RAHAT_POOL_LIMITS: PoolLimits.meta({ examples: ['{"default":8}'] }),
  RAHAT_SCHEDULER_TICK_SECONDS: z.coerce.number().min(0.05).max(60).default(5),
  /** A running attempt without a sign of life for this long is lost. */
  RAHAT_SCHEDULER_LOST_AFTER_SECONDS: z.coerce.number().min(0.5).max(3600).default(45),
  /** First pause before another attempt; each further one is twice as long, up to 30 minutes. */
  RAHAT_SCHEDULER_RETRY_SECONDS: z.coerce.number().min(0).max(3600).default(30),
  /** How late a scheduled run may start before it counts as missed. */
  RAHAT_SCHEDULER_MISSED_AFTER_SECONDS: z.coerce.number().min(1).max(86_400).default(300),
  /** A message to a worker that nothing came of is put on the queue again after this long. */
  RAHAT_SCHEDULER_REDISPATCH_SECONDS: z.coerce.number().min(0.5).max(3600).default(120),
  /** An attempt that may have committed while the database had a gap is looked for in its repository after this long. */
  RAHAT_SCHEDULER_LOOK_FOR_LEFT_AFTER_SECONDS: z.coerce.number().min(1).max(86_400).default(900),
  /** So long the replication slot of a paused plan keeps the log on the source; then it is dropped, and the log begins anew when the plan is resumed. */
  RAHAT_SCHEDULER_SLOT_KEPT_MINUTES: z.coerce
    .number()
    .min(0)
    .max(7 * 1440)
    .default(60),
  /** Where workers bring what they read out of backups for somebody who waits: an interface and a port of this process (0 = any free one) … */
  RAHAT_SCHEDULER_INTAKE_HOST: z.string().min(1).default('127.0.0.1'),
  RAHAT_SCHEDULER_INTAKE_PORT: z.coerce.number().int().min(0).max(65_535).default(0),
  /** … and how workers on other machines reach it; each replica has its own. */
  RAHAT_SCHEDULER_INTAKE_URL: z
    .url({ protocol: /^https?$/ })
    .optional()
    .meta({ examples: ['http://scheduler-0.scheduler:9310/'] }),
  /** How often servers with plans for all databases are asked for new ones. */
  RAHAT_SCHEDULER_DISCOVERY_MINUTES: z.coerce.number().min(1).max(1440).default(15),
  /** How often the providers of managed servers are asked for their snapshots. */
  RAHAT_SCHEDULER_MANAGED_SNAPSHOTS_MINUTES: z.coerce.number().min(1).max(10_080).default(60),
});
export type SchedulerConfig = z.infer<typeof schedulerConfig>;
