import { z } from 'zod';

const shape = {
  /** Read by one run; from 32 KiB, which is where PostgreSQL's own limit begins. */
  bytesPerSecond: z
    .number()
    .int()
    .min(32 * 1024)
    .max(1_000_000_000_000)
    .nullable(),
  /** Backups of the plan that read one server at once. */
  runsAtOnce: z.number().int().min(1).max(100).nullable(),
  /** How far any standby of the source may be behind. */
  replicaLagSeconds: z.number().int().min(1).max(86_400).nullable(),
  replicaLagBytes: z.number().int().min(1_048_576).max(Number.MAX_SAFE_INTEGER).nullable(),
  /** Age of the longest transaction of others. */
  transactionSeconds: z
    .number()
    .int()
    .min(1)
    .max(7 * 86_400)
    .nullable(),
  /** Sessions of others that wait for a lock which is not ours: to read slower frees none of ours. */
  lockWaits: z.number().int().min(1).max(10_000).nullable(),
  /** Of the sessions at work, those that wait for the disk. */
  ioWaitShare: z.number().min(0.05).max(1).nullable(),
  /** So long somebody's change of a table may wait for our dump; then the dump gives way, and is tried again later. */
  yieldSeconds: z.number().int().min(1).max(3_600).nullable(),
};

/** What a backup may ask of its source; what is null is without a bound, and where all are nobody looks. */
export const SourceLimits = z.object(shape).strict().meta({ id: 'SourceLimits' });
export type SourceLimits = z.infer<typeof SourceLimits>;

export const SourceLimitsInput = z
  .object({
    bytesPerSecond: shape.bytesPerSecond.default(null),
    runsAtOnce: shape.runsAtOnce.default(null),
    replicaLagSeconds: shape.replicaLagSeconds.default(null),
    replicaLagBytes: shape.replicaLagBytes.default(null),
    transactionSeconds: shape.transactionSeconds.default(null),
    lockWaits: shape.lockWaits.default(null),
    ioWaitShare: shape.ioWaitShare.default(null),
    yieldSeconds: shape.yieldSeconds.default(null),
  })
  .strict();

/** What is absent stays. */
export const SourceLimitsChange = z.object(shape).partial().strict();

/** Where a plan's backups are read; a standby is fit while it follows the same server and is no further behind. */
export const SourceChoice = z
  .object({
    from: z.enum(['primary', 'prefer-replica', 'replica-only']),
    lagSeconds: z.number().int().min(0).max(86_400).default(60),
  })
  .strict()
  .meta({ id: 'SourceChoice' });
export type SourceChoice = z.infer<typeof SourceChoice>;

/** Of a server: reached with the same user, secrets and way as the server itself. */
export const StandbyAddress = z
  .object({ host: z.string().min(1).max(255), port: z.number().int().min(1).max(65_535).default(5432) })
  .strict()
  .meta({ id: 'StandbyAddress' });
export type StandbyAddress = z.infer<typeof StandbyAddress>;

/** Where a backup was read, and why not elsewhere. */
export const SourceTaken = z.object({
  role: z.enum(['primary', 'replica']),
  host: z.string(),
  port: z.number().int(),
  /** Of a replica, when it was chosen. */
  lagSeconds: z.number().min(0).optional(),
  passedOver: z.array(z.string()),
});
export type SourceTaken = z.infer<typeof SourceTaken>;

/** What the bounds of the source cost a backup. */
export const ThrottleFacts = z.object({
  /** Read slower than it could be, or not at all. */
  throttledSeconds: z.number().min(0),
  /** Of these, without a byte. */
  heldSeconds: z.number().min(0),
  /** Absent = never slowed. */
  lowestBytesPerSecond: z.number().int().min(0).optional(),
  /** The bounds that were passed. */
  by: z.array(z.string()),
});
export type ThrottleFacts = z.infer<typeof ThrottleFacts>;
