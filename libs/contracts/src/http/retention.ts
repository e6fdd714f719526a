import { z } from 'zod';
import { PlainText } from '../plain-text.js';

const Count = z.number().int().min(1).max(10_000);
const Periods = z.number().int().min(0).max(10_000);

const shape = {
  keepLast: Count,
  /** Floor: so many of the newest proven backups stay whatever else is said. */
  keepProven: Count,
  /** All that are at most so much older than the newest whole backup. */
  keepDays: z.number().int().min(1).max(36_500).nullable(),
  /** One for each of the last so many hours, days … in which there is one, in the zone of the plan's first schedule. */
  keepHourly: Periods,
  keepDaily: Periods,
  keepWeekly: Periods,
  keepMonthly: Periods,
  keepYearly: Periods,
  /** Of what the backups of one database hold, before deduplication: the oldest go first, the floor and held ones stay. */
  maxBytes: z.number().int().min(1).max(Number.MAX_SAFE_INTEGER).nullable(),
};

/** A backup stays when any of the rules keeps it. */
export const RetentionPolicy = z.object(shape).strict().meta({ id: 'RetentionPolicy' });
export type RetentionPolicy = z.infer<typeof RetentionPolicy>;

export const RetentionInput = z
  .object({
    keepLast: shape.keepLast.default(14),
    keepProven: shape.keepProven.default(2),
    keepDays: shape.keepDays.default(null),
    keepHourly: Periods.default(0),
    keepDaily: Periods.default(0),
    keepWeekly: Periods.default(0),
    keepMonthly: Periods.default(0),
    keepYearly: Periods.default(0),
    maxBytes: shape.maxBytes.default(null),
  })
  .strict();

/** What is absent stays, so that nobody who knows two numbers drops the years. */
export const RetentionChange = z.object(shape).partial().strict();

export const BackupHold = z.object({ reason: z.string(), by: z.string(), at: z.iso.datetime() }).meta({ id: 'BackupHold' });
export type BackupHold = z.infer<typeof BackupHold>;

/** `PUT /api/v2/backups/{id}/hold`: no retention removes it until it is released. */
export const HoldBackup = z
  .object({ reason: PlainText.trim().min(1).max(300) })
  .strict()
  .meta({ id: 'HoldBackup' });
export type HoldBackup = z.infer<typeof HoldBackup>;

/** `GET /api/v2/plans/{id}/retention`: what retention would do now, without doing it. */
export const RetentionPreview = z
  .object({
    /** Of all that would be removed now, or later because it is due; what is confirmed is what was shown. */
    hash: z.string(),
    /** Too much of the whole plan became due since it was edited: none of it goes until somebody confirms it. */
    planBrake: z.object({ dropped: z.number().int(), of: z.number().int() }).nullable(),
    /** Databases of which too much became due at once; that, too, waits until somebody confirms it. */
    brakes: z.array(
      z.object({
        server: z.string(),
        database: z.string().nullable(),
        databaseName: z.string().nullable(),
        dropped: z.number().int(),
        of: z.number().int(),
      }),
    ),
    backups: z.array(
      z.object({
        backup: z.string(),
        database: z.string().nullable(),
        databaseName: z.string().nullable(),
        consistentAt: z.iso.datetime(),
        sizeBytes: z.number(),
        /** What it added to the repository; other backups may need it, too. */
        addedBytes: z.number(),
        kept: z.boolean(),
        /** The policy wants it no more; one that is kept goes when a newer one is proven, nothing is restored upon it and nobody reads it. */
        due: z.boolean(),
        reason: z.string(),
      }),
    ),
  })
  .meta({ id: 'RetentionPreview' });
export type RetentionPreview = z.infer<typeof RetentionPreview>;

/** `POST /api/v2/plans/{id}/retention`: remove what the preview with this hash showed, however much it is. */
export const ConfirmRetention = z.object({ hash: z.string() }).strict().meta({ id: 'ConfirmRetention' });
export type ConfirmRetention = z.infer<typeof ConfirmRetention>;
