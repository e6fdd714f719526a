import { z } from 'zod';
import { VerificationLevel } from './labels.js';

/** At each occurrence the newest backup of every database of the plan is verified, whatever was proven before: storages rot. */
export const VerificationSchedule = z
  .object({ level: VerificationLevel, cron: z.string().min(1).max(200), timeZone: z.string().default('UTC') })
  .strict()
  .meta({ id: 'VerificationSchedule' });
export type VerificationSchedule = z.infer<typeof VerificationSchedule>;

export const VerificationSchedules = z.array(VerificationSchedule).max(10);

const Nth = z.number().int().min(1).max(1000).optional();

/** Levels that run after every Nth backup of a database only; absent = after each. The first backup is always looked at. */
export const VerifyEvery = z.object({ BASIC: Nth, DATABASE: Nth, FULL: Nth }).strict().meta({ id: 'VerifyEvery' });
export type VerifyEvery = z.infer<typeof VerifyEvery>;
