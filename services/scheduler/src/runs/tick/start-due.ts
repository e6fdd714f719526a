import type { Transaction } from '@rahat/persistence';
import { blackoutAt } from '../../plans/blackouts.js';
import { reasonOfPause } from '../../plans/plan-pauses.js';
import type { PlanRow } from '../../plans/plans.table.js';
import { windowsOfOrganization } from '../../scheduling/scheduling.table.js';
import type { ServerRow } from '../../servers/servers.table.js';
import { laneOf, newBackupRun } from '../backup-now.js';
import type { RunLedger } from '../run-ledger.js';
import type { RunRow } from '../runs.table.js';
import { decideOverdue } from './overdue.js';

const ROWS_AT_ONCE = 10_000;

// Narrow, because in the small hours there are thousands of each.
const RUN_COLUMNS = [
  'id',
  'attempt',
  'due_at',
  'plan_id',
  'server_id',
  'database_id',
  'database_name',
  'backup_type',
] as const satisfies (keyof RunRow)[];
const PLAN_COLUMNS = [
  'id',
  'organization_id',
  'enabled',
  'deleted_at',
  'pause',
  'catch_up',
  'blackouts',
  'blackout_due',
  'method',
  'repository_id',
  'max_attempts',
  'deadline_minutes',
  'deep',
  'priority',
] as const satisfies (keyof PlanRow)[];
type ExpectedRun = Pick<RunRow, (typeof RUN_COLUMNS)[number]>;
type DuePlan = Pick<PlanRow, (typeof PLAN_COLUMNS)[number]>;

/** Expected runs whose time has come become due, missed or skipped, in time order. */
export async function startDueRuns(
  transaction: Transaction,
  ledger: RunLedger,
  now: Date,
  missedAfterMs: number,
): Promise<{ more: boolean }> {
  const runs = await transaction.query<ExpectedRun>(
    `SELECT ${RUN_COLUMNS.join(', ')} FROM runs WHERE state = 'expected' AND type = 'backup' AND due_at <= $1 ORDER BY due_at LIMIT ${ROWS_AT_ONCE} FOR UPDATE SKIP LOCKED`,
    [now],
  );
  const known = await whatStandsBehind(transaction, runs);
  const starting: ExpectedRun[] = [];
  for (const [key, line] of Map.groupBy(runs, lineOf)) {
    const first = line[0]!;
    const plan = known.plans.get(first.plan_id!)!;
    const windows = [...plan.blackouts, ...known.servers.get(first.server_id!)!.blackouts, ...known.windows.get(plan.organization_id)!];
    const { decisions, catchUp } = decideOverdue(
      line.map((run) => ({ id: run.id, dueAt: run.due_at, type: run.backup_type! })),
      {
        now,
        missedAfterMs,
        catchUp: plan.catch_up,
        busy: known.busy.has(key),
        ...(plan.enabled ? {} : { paused: plan.deleted_at ? 'The plan was deleted before this run started.' : reasonOfPause(plan) }),
        leftOut: (at) => leftOut(plan, windows, at),
      },
    );
    for (const decision of decisions) {
      const run = line.find((candidate) => candidate.id === decision.id)!;
      if (decision.becomes === 'due') starting.push(run);
      else await ledger.move(transaction, run, decision.becomes, 'tick', { reasons: [decision.reason] });
    }
    if (catchUp) {
      const database = first.database_id === null ? null : { id: first.database_id, name: first.database_name! };
      await ledger.createDue(
        transaction,
        newBackupRun(plan, { server: first.server_id!, database }, { cause: 'catch_up', type: catchUp, dueAt: now }),
      );
    }
  }
  await ledger.makeDue(transaction, starting);
  return { more: runs.length === ROWS_AT_ONCE };
}

type Line = Pick<RunRow, 'plan_id' | 'server_id' | 'database_id' | 'backup_type'>;

/** Runs of one line follow upon each other. */
function lineOf(run: Line): string {
  return `${run.plan_id} ${run.server_id} ${run.database_id} ${laneOf(run.backup_type!)}`;
}

function leftOut(plan: DuePlan, windows: PlanRow['blackouts'], at: Date): string | undefined {
  const blackout = blackoutAt(windows, at);
  return blackout && (plan.blackout_due === 'skip' || !blackout.until)
    ? `It was due in the blackout window ${blackout.reason}.`
    : undefined;
}

async function whatStandsBehind(transaction: Transaction, runs: readonly ExpectedRun[]) {
  const plans = await transaction.query<DuePlan>(`SELECT ${PLAN_COLUMNS.join(', ')} FROM plans WHERE id = ANY ($1::text[])`, [
    distinct(runs.map((run) => run.plan_id)),
  ]);
  const servers = await transaction.query<Pick<ServerRow, 'id' | 'blackouts'>>(
    `SELECT id, blackouts FROM servers WHERE id = ANY ($1::text[])`,
    [distinct(runs.map((run) => run.server_id))],
  );
  const windows = new Map<string, PlanRow['blackouts']>();
  for (const { organization_id: organization } of plans)
    if (!windows.has(organization)) windows.set(organization, await windowsOfOrganization(transaction, organization));
  const active = await transaction.query<Line>(
    `SELECT plan_id, server_id, database_id, backup_type FROM runs WHERE type = 'backup' AND state IN ('due', 'queued', 'running') AND plan_id = ANY ($1::text[])`,
    [plans.map((plan) => plan.id)],
  );
  return {
    busy: new Set(active.map(lineOf)),
    plans: new Map(plans.map((plan) => [plan.id, plan])),
    servers: new Map(servers.map((server) => [server.id, server])),
    windows,
  };
}

function distinct<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}
