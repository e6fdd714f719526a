import { z } from 'zod';
import { BackupType } from '../labels.js';

/** One of a plan's schedules: five-field cron (or `@daily` …) on the wall clock of an IANA zone. */
export const ScheduleInput = z
  .object({ type: BackupType.default('full'), cron: z.string().max(200), timeZone: z.string().default('UTC') })
  .strict()
  .meta({ id: 'ScheduleInput' });
export type ScheduleInput = z.infer<typeof ScheduleInput>;

export const PlanSchedule = z
  .object({ id: z.string(), type: BackupType, cron: z.string(), timeZone: z.string(), inWords: z.string() })
  .meta({ id: 'PlanSchedule' });
export type PlanSchedule = z.infer<typeof PlanSchedule>;

/** `GET /api/v2/plans/explain`: what a cron expression means, before anything is saved. */
export const ExplainScheduleQuery = z.object({
  cron: z.string().max(200),
  timeZone: z.string().default('UTC'),
  language: z.enum(['en', 'tr']).default('en'),
  /** Server whose other plans are looked at for collisions. */
  server: z.string().optional(),
  /** This plan itself is no collision. */
  plan: z.string().optional(),
});
export type ExplainScheduleQuery = z.infer<typeof ExplainScheduleQuery>;

export const ScheduleExplanation = z
  .object({
    cron: z.string(),
    timeZone: z.string(),
    inWords: z.string(),
    nextRuns: z.array(z.iso.datetime()),
    /** Times within a year that a change of the clock skips or doubles, and when the schedule runs instead. */
    clockChanges: z.array(
      z.object({ kind: z.enum(['skipped', 'doubled']), wallClock: z.string(), runsAt: z.array(z.iso.datetime()), note: z.string() }),
    ),
    /** Other plans of the same server that are due within a quarter of an hour of one of the next runs. */
    collisions: z.array(z.object({ plan: z.string(), name: z.string(), at: z.iso.datetime(), otherAt: z.iso.datetime() })),
  })
  .meta({ id: 'ScheduleExplanation' });
export type ScheduleExplanation = z.infer<typeof ScheduleExplanation>;
