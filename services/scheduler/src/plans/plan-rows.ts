import { newId, RahatError, type CreatePlan, type ScheduleInput, type ServerSelection, type UpdatePlan } from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';
import { forgetDueBackups } from '../retention/lines.js';
import type { StoredHook } from './plan-hooks.js';
import type { PlanRow } from './plans.table.js';
import { writeSchedules, type ScheduleRow } from './schedules.table.js';

/** A plan as it is to be written: what was short is long, what was asked is checked. */
export type PlanContent = Omit<CreatePlan, 'server' | 'servers' | 'cron' | 'timeZone' | 'schedules' | 'hooks'> & {
  servers: ServerSelection;
  schedules: ScheduleInput[];
  hooks: StoredHook[];
};
type Changeable = Partial<Omit<PlanContent, 'schedules' | 'retention' | 'sourceLimits'>> & Pick<UpdatePlan, 'retention' | 'sourceLimits'>;

export interface WrittenPlan {
  row: PlanRow;
  schedules: ScheduleRow[];
}

export async function insertPlan(
  transaction: Transaction,
  organization: string,
  content: PlanContent,
  now: Date,
  id: string = newId('plan'),
): Promise<WrittenPlan> {
  await assertNameFree(transaction, content.name);
  const columns = { id, organization_id: organization, planned_until: now, ...columnsOf(content) };
  const names = Object.keys(columns);
  const [row] = await transaction.query<PlanRow>(
    `INSERT INTO plans (${names.join(', ')}) VALUES (${names.map((_, index) => `$${index + 1}`).join(', ')}) RETURNING *`,
    Object.values(columns),
  );
  return { row: row!, schedules: await writeSchedules(transaction, row!, content.schedules) };
}

/** Every change writes the ledger anew, from now, and may make retention want to remove more. */
export async function changePlan(
  transaction: Transaction,
  before: PlanRow,
  request: Changeable,
  schedules: ScheduleInput[] | undefined,
  now: Date,
): Promise<PlanRow> {
  if (request.name !== undefined && request.name.toLowerCase() !== before.name.toLowerCase())
    await assertNameFree(transaction, request.name);
  const columns = {
    replan: true,
    retention_weighed: false,
    retention_brake: null,
    ...columnsOf(request),
    ...(request.sourceLimits === undefined ? {} : { source_limits: asJson({ ...before.source_limits, ...request.sourceLimits }) }),
    ...(schedules === undefined ? {} : { planned_until: now }),
  };
  const [row] = await transaction.query<PlanRow>(
    `UPDATE plans SET ${Object.keys(columns)
      .map((column, index) => `${column} = $${index + 2}`)
      .join(', ')} WHERE id = $1 RETURNING *`,
    [before.id, ...Object.values(columns)],
  );
  if (schedules !== undefined) await writeSchedules(transaction, before, schedules);
  await forgetDueBackups(transaction, before, row!);
  if (row!.priority !== before.priority) await shiftPriorities(transaction, row!, row!.priority - before.priority);
  return row!;
}

function columnsOf(request: Changeable): Record<string, unknown> {
  const columns: Record<string, unknown> = {
    name: request.name,
    server_ids: request.servers?.servers,
    server_groups: request.servers?.groups,
    server_tags: request.servers?.tags,
    method: request.method,
    databases: asJson(request.databases),
    repository_id: request.repository,
    catch_up: request.catchUp,
    jitter_minutes: request.jitterMinutes,
    blackouts: asJson(request.blackouts),
    blackout_due: request.blackoutPolicy?.due,
    blackout_running: request.blackoutPolicy?.running,
    priority: request.priority,
    tags: request.tags,
    hooks: asJson(request.hooks),
    keep_last: request.retention?.keepLast,
    keep_proven: request.retention?.keepProven,
    keep_days: request.retention?.keepDays,
    keep_hourly: request.retention?.keepHourly,
    keep_daily: request.retention?.keepDaily,
    keep_weekly: request.retention?.keepWeekly,
    keep_monthly: request.retention?.keepMonthly,
    keep_yearly: request.retention?.keepYearly,
    max_bytes: request.retention?.maxBytes,
    verify: request.verify,
    verify_every: asJson(request.verifyEvery),
    verify_schedules: asJson(request.verifySchedules),
    assertions: asJson(request.assertions),
    deep: request.deep,
    continuous_log: request.continuousLog === null ? null : asJson(request.continuousLog),
    source: asJson(request.source),
    source_limits: asJson(request.sourceLimits),
    max_attempts: request.maxAttempts,
    deadline_minutes: request.deadlineMinutes,
    no_progress_minutes: request.noProgressMinutes,
  };
  return Object.fromEntries(Object.entries(columns).filter(([, value]) => value !== undefined));
}

function asJson(value: unknown): string | undefined {
  return value === undefined ? undefined : JSON.stringify(value);
}

async function shiftPriorities(transaction: Transaction, plan: PlanRow, by: number): Promise<void> {
  await transaction.query(
    `UPDATE runs SET priority = LEAST(100, GREATEST(1, priority + $2)) WHERE plan_id = $1 AND state IN ('expected', 'due', 'queued')`,
    [plan.id, by],
  );
}

export function changesOf(request: UpdatePlan): Changeable {
  const { cron: _cron, timeZone: _timeZone, schedules: _schedules, enabled: _enabled, hooks: _hooks, ...rest } = request;
  return rest;
}

async function assertNameFree(transaction: Transaction, name: string): Promise<void> {
  const [other] = await transaction.inWholeOrganization(() =>
    transaction.query(`SELECT 1 FROM plans WHERE lower(name) = lower($1) AND deleted_at IS NULL`, [name]),
  );
  if (other) throw new RahatError('conflict', `There is a plan named '${name}' already`);
}
