import {
  METHODS,
  RahatError,
  type Assertion,
  type BackupMethod,
  type BlackoutPolicy,
  type BlackoutWindow,
  type ContinuousLog,
  type DatabaseSelection,
  type Plan,
  type PlanPause,
  type RetentionPolicy,
  type SourceChoice,
  type SourceLimits,
  type VerificationLevel,
  type VerificationSchedule,
  type VerifyEvery,
} from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';
import type { Brake } from '../retention/brake.js';
import { presentHook, type StoredHook } from './plan-hooks.js';
import { presentSchedule, scheduleOf, type ScheduleRow } from './schedules.table.js';
import { upcoming } from './upcoming.js';

export interface PlanRow {
  id: string;
  organization_id: string;
  name: string;
  server_ids: string[];
  server_groups: string[];
  server_tags: string[];
  method: BackupMethod;
  databases: DatabaseSelection;
  repository_id: string;
  catch_up: 'run_once' | 'skip';
  jitter_minutes: number;
  blackouts: BlackoutWindow[];
  blackout_due: BlackoutPolicy['due'];
  blackout_running: BlackoutPolicy['running'];
  priority: number;
  tags: string[];
  note: string;
  hooks: StoredHook[];
  keep_last: number;
  keep_proven: number;
  keep_days: number | null;
  keep_hourly: number;
  keep_daily: number;
  keep_weekly: number;
  keep_monthly: number;
  keep_yearly: number;
  max_bytes: string | null;
  verify: VerificationLevel[];
  verify_every: VerifyEvery;
  verify_schedules: VerificationSchedule[];
  assertions: Assertion[];
  deep: boolean;
  continuous_log: ContinuousLog | null;
  source: SourceChoice;
  source_limits: SourceLimits;
  max_attempts: number;
  deadline_minutes: number;
  no_progress_minutes: number;
  enabled: boolean;
  pause: PlanPause | null;
  planned_until: Date;
  replan: boolean;
  /** False from an edit until retention looked at what it would remove of the whole plan. */
  retention_weighed: boolean;
  retention_brake: Brake | null;
  created_at: Date;
  deleted_at: Date | null;
}

export async function findPlan(transaction: Transaction, id: string): Promise<PlanRow> {
  const [row] = await transaction.query<PlanRow>(`SELECT * FROM plans WHERE id = $1 AND deleted_at IS NULL`, [id]);
  if (!row) throw new RahatError('not_found', `There is no plan ${id}`);
  return row;
}

/** A physical plan covers the server as a whole; its runs name no database. */
export function coversWholeServer(plan: Pick<PlanRow, 'method'>): boolean {
  return METHODS[plan.method].covers === 'server';
}

const NEXT_RUNS = 5;

export function presentPlan(row: PlanRow, schedules: readonly ScheduleRow[], now: Date): Plan {
  const shown = schedules.map(presentSchedule);
  return {
    id: row.id,
    name: row.name,
    server: row.server_ids.length === 1 && !selectsByGroupOrTag(row) ? row.server_ids[0]! : null,
    servers: { servers: row.server_ids, groups: row.server_groups, tags: row.server_tags },
    method: row.method,
    databases: row.databases,
    repository: row.repository_id,
    schedules: shown,
    cronInWords:
      shown.length === 0
        ? null
        : shown.map((schedule) => (schedule.type === 'full' ? '' : `${schedule.type}: `) + schedule.inWords).join('; '),
    nextRuns: row.enabled ? nextRunsOf(schedules, now).map((at) => at.toISOString()) : [],
    catchUp: row.catch_up,
    jitterMinutes: row.jitter_minutes,
    blackouts: row.blackouts,
    blackoutPolicy: { due: row.blackout_due, running: row.blackout_running },
    priority: row.priority,
    tags: row.tags,
    hooks: row.hooks.map(presentHook),
    retention: retentionOf(row),
    verify: row.verify,
    verifyEvery: row.verify_every,
    verifySchedules: row.verify_schedules,
    assertions: row.assertions,
    deep: row.deep,
    continuousLog: row.continuous_log,
    source: row.source,
    sourceLimits: row.source_limits,
    maxAttempts: row.max_attempts,
    deadlineMinutes: row.deadline_minutes,
    noProgressMinutes: row.no_progress_minutes,
    enabled: row.enabled,
    pause: row.pause,
    note: row.note,
    createdAt: row.created_at.toISOString(),
  };
}

export function retentionOf(row: PlanRow): RetentionPolicy {
  return {
    keepLast: row.keep_last,
    keepProven: row.keep_proven,
    keepDays: row.keep_days,
    keepHourly: row.keep_hourly,
    keepDaily: row.keep_daily,
    keepWeekly: row.keep_weekly,
    keepMonthly: row.keep_monthly,
    keepYearly: row.keep_yearly,
    maxBytes: row.max_bytes === null ? null : Number(row.max_bytes),
  };
}

export function selectsByGroupOrTag(plan: Pick<PlanRow, 'server_groups' | 'server_tags'>): boolean {
  return plan.server_groups.length + plan.server_tags.length > 0;
}

function nextRunsOf(schedules: readonly ScheduleRow[], now: Date): Date[] {
  const all = schedules.flatMap((row) => upcoming(scheduleOf(row), now, NEXT_RUNS));
  return [...new Set(all)]
    .sort((a, b) => a - b)
    .slice(0, NEXT_RUNS)
    .map((at) => new Date(at));
}
