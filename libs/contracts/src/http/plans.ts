import { z } from 'zod';
import { BackupMethod, VerificationLevel } from '../labels.js';
import { PlainText } from '../plain-text.js';

export const CreatePlan = z
  .object({
    name: PlainText.trim().min(1).max(100),
    server: z.string(),
    method: BackupMethod.default('postgresql.logical'),
    /** Database names, or `all` for all present and future ones. Ignored by physical plans, which cover the server. */
    databases: z.union([z.literal('all'), z.array(z.string().min(1)).min(1)]).default('all'),
    repository: z.string(),
    /** Five-field cron; absent = only by hand. */
    cron: z.string().optional(),
    timeZone: z.string().default('UTC'),
    catchUp: z.enum(['run_once', 'skip']).default('run_once'),
    retention: z
      .object({ keepLast: z.number().int().min(1).max(10_000), keepProven: z.number().int().min(1).max(10_000).default(2) })
      .default({ keepLast: 14, keepProven: 2 }),
    /** Levels run after each backup. */
    verify: z.array(VerificationLevel).default(['BASIC', 'FULL']),
    deep: z.boolean().default(false),
    maxAttempts: z.number().int().min(1).max(10).default(3),
    deadlineMinutes: z
      .number()
      .int()
      .min(1)
      .max(7 * 24 * 60)
      .default(720),
  })
  .strict()
  .meta({ id: 'CreatePlan' });
export type CreatePlan = z.infer<typeof CreatePlan>;

export const Plan = CreatePlan.extend({
  id: z.string(),
  cron: z.string().nullable(),
  cronInWords: z.string().nullable(),
  nextRuns: z.array(z.iso.datetime()),
  enabled: z.boolean(),
  createdAt: z.iso.datetime(),
}).meta({ id: 'Plan' });
export type Plan = z.infer<typeof Plan>;

/** What is absent stays; `enabled: false` pauses; `cron: null` leaves the plan to be run by hand. Server, method and repository are for ever. */
export const UpdatePlan = z
  .object({
    name: PlainText.trim().min(1).max(100).optional(),
    enabled: z.boolean().optional(),
    databases: z.union([z.literal('all'), z.array(z.string().min(1)).min(1)]).optional(),
    cron: z.string().nullable().optional(),
    timeZone: z.string().optional(),
    catchUp: z.enum(['run_once', 'skip']).optional(),
    retention: z.object({ keepLast: z.number().int().min(1).max(10_000), keepProven: z.number().int().min(1).max(10_000) }).optional(),
    verify: z.array(VerificationLevel).optional(),
    deep: z.boolean().optional(),
    maxAttempts: z.number().int().min(1).max(10).optional(),
    deadlineMinutes: z
      .number()
      .int()
      .min(1)
      .max(7 * 24 * 60)
      .optional(),
  })
  .strict()
  .meta({ id: 'UpdatePlan' });
export type UpdatePlan = z.infer<typeof UpdatePlan>;

/** `GET /api/v2/plans/{id}/retention`: what retention would do now, without doing it. */
export const RetentionPreview = z
  .object({
    backups: z.array(
      z.object({
        backup: z.string(),
        database: z.string().nullable(),
        databaseName: z.string().nullable(),
        consistentAt: z.iso.datetime(),
        sizeBytes: z.number(),
        kept: z.boolean(),
        reason: z.string(),
      }),
    ),
  })
  .meta({ id: 'RetentionPreview' });
export type RetentionPreview = z.infer<typeof RetentionPreview>;
