import { z } from 'zod';
import { Assertions } from '../assertions.js';
import { BlackoutPolicy, BlackoutWindows } from '../blackouts.js';
import { Hook, HookInput, HookOutline } from '../hooks.js';
import { BackupMethod, BackupType, VerificationLevel } from '../labels.js';
import { ContinuousLog } from '../log-stream.js';
import { Moment } from '../moment.js';
import { PlainText } from '../plain-text.js';
import { SourceChoice, SourceLimits, SourceLimitsChange, SourceLimitsInput } from '../source-limits.js';
import { Tags, TagFilter } from '../tags.js';
import { VerificationSchedules, VerifyEvery } from '../verification.js';
import { SearchFilters } from './annotations.js';
import { PageQuery } from './page.js';
import { RetentionChange, RetentionInput, RetentionPolicy } from './retention.js';
import { PlanSchedule, ScheduleInput } from './schedules.js';

const Pattern = z.string().min(1).max(200);

/** `all` = all present and future ones; names; or patterns with `*` and `?`, of which exclusions win. Excluded databases are in none but named. */
export const DatabaseSelection = z.union([
  z.literal('all'),
  z.array(z.string().min(1)).min(1),
  z
    .object({
      include: z.array(Pattern).min(1).max(100).default(['*']),
      exclude: z.array(Pattern).max(100).default([]),
      tags: Tags.default([]),
    })
    .strict(),
]);
export type DatabaseSelection = z.infer<typeof DatabaseSelection>;

/** Servers by id, and those that are in one of the groups (where groups are named) and carry all of the tags. */
export const ServerSelection = z
  .object({ servers: z.array(z.string()).max(1000).default([]), groups: z.array(z.string()).max(100).default([]), tags: Tags.default([]) })
  .strict();
export type ServerSelection = z.infer<typeof ServerSelection>;

/** Names are unique, so that each keeps its authorization through changes. */
export const Hooks = z
  .array(HookInput)
  .max(20)
  .refine((hooks) => new Set(hooks.map(({ name }) => name)).size === hooks.length, 'each hook needs a name of its own');

/** What every plan has, whatever it is made by: all of it can be changed later. */
const shape = {
  name: PlainText.trim().min(1).max(100),
  /** Ignored by methods that cover the whole server. */
  databases: DatabaseSelection,
  /** None = only by hand. */
  schedules: z.array(ScheduleInput).max(20),
  catchUp: z.enum(['run_once', 'skip']),
  /** Each run starts up to so much later than its schedule says, always the same for one occurrence. */
  jitterMinutes: z.number().int().min(0).max(720),
  blackouts: BlackoutWindows,
  blackoutPolicy: BlackoutPolicy,
  /** 1 = first, 100 = last. */
  priority: z.number().int().min(1).max(100),
  tags: Tags,
  /** Levels run after each backup. */
  verify: z.array(VerificationLevel),
  verifyEvery: VerifyEvery,
  /** Beside those after backups. */
  verifySchedules: VerificationSchedules,
  /** Asked of the restored copy in each test restore; one that fails makes the proof fail. */
  assertions: Assertions,
  deep: z.boolean(),
  /** Physical plans only: the log of each server is kept without an end, so that every moment between backups can be recovered. */
  continuousLog: ContinuousLog.nullable(),
  source: SourceChoice,
  maxAttempts: z.number().int().min(1).max(10),
  deadlineMinutes: z
    .number()
    .int()
    .min(1)
    .max(7 * 24 * 60),
  /** An attempt ends when nothing moved for so long. */
  noProgressMinutes: z
    .number()
    .int()
    .min(1)
    .max(24 * 60),
};

/** What a template or a document may say of a plan; what is absent is left to the defaults. */
export const PlanOutline = z
  .object({
    ...shape,
    method: BackupMethod,
    retention: RetentionInput,
    sourceLimits: SourceLimitsInput,
    hooks: z.array(HookOutline).max(20),
  })
  .omit({ name: true })
  .partial()
  .strict()
  .meta({ id: 'PlanOutline' });
export type PlanOutline = z.infer<typeof PlanOutline>;

export const CreatePlan = z
  .object({
    ...shape,
    /** Short for `servers` with this one. */
    server: z.string().optional(),
    servers: ServerSelection.optional(),
    method: BackupMethod.default('postgresql.logical'),
    repository: z.string(),
    databases: shape.databases.default('all'),
    /** With `timeZone` short for one schedule of full backups. */
    cron: z.string().max(200).optional(),
    timeZone: z.string().default('UTC'),
    schedules: shape.schedules.optional(),
    catchUp: shape.catchUp.default('run_once'),
    jitterMinutes: shape.jitterMinutes.default(0),
    blackouts: shape.blackouts.default([]),
    blackoutPolicy: shape.blackoutPolicy.default({ due: 'move', running: 'finish' }),
    priority: shape.priority.default(50),
    tags: shape.tags.default([]),
    retention: RetentionInput.prefault({}),
    verify: shape.verify.default(['BASIC', 'FULL']),
    verifyEvery: shape.verifyEvery.default({}),
    verifySchedules: shape.verifySchedules.default([]),
    assertions: shape.assertions.default([]),
    hooks: Hooks.default([]),
    deep: shape.deep.default(false),
    continuousLog: shape.continuousLog.default(null),
    source: shape.source.prefault({ from: 'primary' }),
    sourceLimits: SourceLimitsInput.prefault({}),
    maxAttempts: shape.maxAttempts.default(3),
    deadlineMinutes: shape.deadlineMinutes.default(720),
    noProgressMinutes: shape.noProgressMinutes.default(15),
  })
  .strict()
  .meta({ id: 'CreatePlan' });
export type CreatePlan = z.infer<typeof CreatePlan>;

export const PlanPause = z
  .object({ at: z.iso.datetime(), by: z.string(), reason: z.string().nullable(), until: z.iso.datetime().nullable() })
  .meta({ id: 'PlanPause' });
export type PlanPause = z.infer<typeof PlanPause>;

export const Plan = z
  .object({
    ...shape,
    id: z.string(),
    /** The one server that the plan names, when it names just one. */
    server: z.string().nullable(),
    servers: ServerSelection,
    method: BackupMethod,
    repository: z.string(),
    schedules: z.array(PlanSchedule),
    cronInWords: z.string().nullable(),
    nextRuns: z.array(z.iso.datetime()),
    retention: RetentionPolicy,
    sourceLimits: SourceLimits,
    hooks: z.array(Hook),
    enabled: z.boolean(),
    pause: PlanPause.nullable(),
    note: z.string(),
    createdAt: z.iso.datetime(),
  })
  .meta({ id: 'Plan' });
export type Plan = z.infer<typeof Plan>;

/** What is absent stays; `enabled: false` pauses; `cron: null` or no schedules leave the plan to be run by hand. Method and repository are for ever. */
export const UpdatePlan = z
  .object({
    ...shape,
    servers: ServerSelection,
    retention: RetentionChange,
    sourceLimits: SourceLimitsChange,
    /** One without `authorization` keeps that of its name, as long as it calls the same place. */
    hooks: Hooks,
    cron: z.string().max(200).nullable(),
    timeZone: z.string(),
    enabled: z.boolean(),
  })
  .partial()
  .strict()
  .meta({ id: 'UpdatePlan' });
export type UpdatePlan = z.infer<typeof UpdatePlan>;

/** `POST /api/v2/plans/{id}/pause`: its occurrences are told as skipped until it is resumed. */
export const PausePlan = z
  .object({ reason: PlainText.trim().min(1).max(300).optional(), until: Moment.optional() })
  .strict()
  .meta({ id: 'PausePlan' });
export type PausePlan = z.infer<typeof PausePlan>;

/** `POST /api/v2/plans/{id}/runs?type=…`. */
export const RunPlanQuery = z.object({ type: BackupType.default('full') });
export type RunPlanQuery = z.infer<typeof RunPlanQuery>;

export const PlanQuery = PageQuery.extend({
  server: z.string().optional(),
  group: z.string().optional(),
  tag: TagFilter.optional(),
  q: SearchFilters.q,
});
export type PlanQuery = z.infer<typeof PlanQuery>;
