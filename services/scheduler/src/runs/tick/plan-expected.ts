import { setImmediate as aTurn } from 'node:timers/promises';
import { newId, type BackupType } from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';
import { rememberCollection } from '../../collections/collection-policies.table.js';
import { dueAt, type DueRules } from '../../plans/due-time.js';
import type { PlanRow } from '../../plans/plans.table.js';
import { occurrencesBetween } from '../../plans/schedule.js';
import { scheduleOf, type ScheduleRow } from '../../plans/schedules.table.js';
import { insertExpectedVerifications } from '../../verification/expected-verifications.js';
import type { Covered } from '../coverage.js';
import { priorityOf } from '../priorities.js';
import type { RunLedger } from '../run-ledger.js';
import type { RunRow } from '../runs.table.js';
import { PlanFacts } from './plan-facts.js';

const HORIZON_MS = 48 * 3_600_000;
/** The ledger is filled up once this much of it was used. */
const REFILL_MS = 3_600_000;
/** A scheduler that slept for months leaves so many rows of one schedule as missed, and no more. */
const MOST_OCCURRENCES = 3_000;
const PLANS_AT_ONCE = 100;
/** Of one transaction, and of one statement. */
const ROWS_AT_ONCE = 40_000;
const ROWS_PER_INSERT = 10_000;

/** Writes the runs of the next 48 h down as expected, so that their absence shows; those of paused plans, too. */
export async function planExpectedRuns(transaction: Transaction, ledger: RunLedger, now: Date): Promise<{ more: boolean }> {
  const plans = await transaction.query<PlanRow>(
    `SELECT * FROM plans WHERE replan OR (deleted_at IS NULL AND planned_until < $1) ORDER BY planned_until LIMIT ${PLANS_AT_ONCE} FOR UPDATE SKIP LOCKED`,
    [new Date(now.getTime() + HORIZON_MS - REFILL_MS)],
  );
  const facts = await PlanFacts.of(transaction, plans);
  await rememberCollections(transaction, plans, facts, now);
  const expected: ExpectedRow[] = [];
  const planned: PlannedPlan[] = [];
  let written = 0;
  for (const plan of plans) {
    if (written >= ROWS_AT_ONCE) break;
    const { rows, looks, plannedUntil } = await planOne(transaction, ledger, { plan, facts }, now);
    expected.push(...rows);
    planned.push({ id: plan.id, plannedUntil });
    written += rows.length + looks;
    // A schedule of every minute has thousands of times, and there may be many of them: requests have their turn in between.
    await aTurn();
  }
  for (let start = 0; start < expected.length; start += ROWS_PER_INSERT)
    await insertExpected(transaction, expected.slice(start, start + ROWS_PER_INSERT));
  await notePlanned(transaction, planned);
  return { more: plans.length === PLANS_AT_ONCE || written >= ROWS_AT_ONCE };
}

/** Of each repository that a plan which is new or changed stores into. */
async function rememberCollections(transaction: Transaction, plans: readonly PlanRow[], facts: PlanFacts, now: Date): Promise<void> {
  const changed = plans.filter((plan) => plan.replan && !plan.deleted_at);
  const byRepository = new Map(changed.toReversed().map((plan) => [plan.repository_id, plan]));
  for (const plan of byRepository.values()) {
    const timeZone = facts.schedulesOf(plan)[0]?.time_zone ?? 'UTC';
    await rememberCollection(transaction, { id: plan.repository_id, organization: plan.organization_id, timeZone }, now);
  }
}

interface PlannedPlan {
  id: string;
  plannedUntil: Date;
}

async function notePlanned(transaction: Transaction, planned: readonly PlannedPlan[]): Promise<void> {
  await transaction.query(
    `UPDATE plans SET planned_until = GREATEST(planned.until, CASE WHEN replan THEN planned.until ELSE planned_until END), replan = false
     FROM unnest($1::text[], $2::timestamptz[]) AS planned (id, until) WHERE plans.id = planned.id`,
    [planned.map(({ id }) => id), planned.map(({ plannedUntil }) => plannedUntil)],
  );
}

/** Rows to write, and of verifications how many it wrote. A plan of very many databases gets its 48 h in several ticks. */
async function planOne(
  transaction: Transaction,
  ledger: RunLedger,
  { plan, facts }: { plan: PlanRow; facts: PlanFacts },
  now: Date,
): Promise<{ rows: ExpectedRow[]; looks: number; plannedUntil: Date }> {
  const schedules = facts.schedulesOf(plan);
  const verifications = plan.deleted_at ? [] : plan.verify_schedules;
  const lines = schedules.length + verifications.length;
  const covered = lines > 0 ? await facts.coverageOf(plan) : [];
  const organization = await facts.windowsOf(plan);
  const rulesFor = (server: Covered['server']): DueRules => ({
    plan: plan.id,
    jitterMinutes: plan.jitter_minutes,
    windows: [...plan.blackouts, ...server.blackouts, ...organization],
    whenDueInside: plan.blackout_due,
  });
  if (plan.replan && facts.isExpected(plan)) await forgetFuture(transaction, ledger, plan, { schedules, covered, rulesFor }, now);
  const from = plan.replan && plan.planned_until > now ? now : plan.planned_until;
  const until = new Date(now.getTime() + HORIZON_MS);
  const most = Math.max(1, Math.min(MOST_OCCURRENCES, Math.floor(ROWS_AT_ONCE / Math.max(1, covered.length * lines))));
  const planned = schedules.map((schedule) => ({ schedule, occurrences: occurrencesBetween(scheduleOf(schedule), from, until, most) }));
  const looks = verifications.map(({ level, cron, timeZone }) => ({
    level,
    occurrences: occurrencesBetween({ cron, timeZone }, from, until, most),
  }));
  const rows = expectedRows(plan, planned, covered, rulesFor);
  const looksWritten = await insertExpectedVerifications(transaction, plan, covered, looks);
  // Where one schedule was cut short, all go on from there; rows that stand already are not doubled.
  const cut = [...planned, ...looks].flatMap(({ occurrences }) => (occurrences.length === most ? [occurrences.at(-1)!] : []));
  const plannedUntil = new Date(Math.min(until.getTime(), ...cut.map((at) => at.getTime())));
  return { rows, looks: looksWritten, plannedUntil };
}

function expectedRows(
  plan: PlanRow,
  planned: readonly { schedule: ScheduleRow; occurrences: Date[] }[],
  covered: readonly Covered[],
  rulesFor: (server: Covered['server']) => DueRules,
): ExpectedRow[] {
  return [...Map.groupBy(covered, ({ server }) => server.id).values()].flatMap((ofServer) => {
    const { server } = ofServer[0]!;
    const rules = rulesFor(server);
    return planned.flatMap(({ schedule: { type }, occurrences }) =>
      occurrences.flatMap((occursAt) => {
        const at = dueAt(occursAt, rules);
        return ofServer.map(({ database }) => ({ id: newId('run'), plan, server: server.id, database, type, occursAt, dueAt: at }));
      }),
    );
  });
}

/**
 * What is still to come is expected by the plan's word alone. An occurrence that has come, and is only moved by jitter or a window,
 * was promised: it moves with the rules, and is told when nothing stands for it any more. What is overdue stays as it is.
 */
async function forgetFuture(
  transaction: Transaction,
  ledger: RunLedger,
  plan: PlanRow,
  standing: { schedules: readonly ScheduleRow[]; covered: readonly Covered[]; rulesFor(server: Covered['server']): DueRules },
  now: Date,
): Promise<void> {
  await transaction.query(`DELETE FROM runs WHERE plan_id = $1 AND cause = 'schedule' AND state = 'expected' AND occurs_at > $2`, [
    plan.id,
    now,
  ]);
  const moved = await transaction.query<RunRow>(
    `SELECT * FROM runs WHERE plan_id = $1 AND state = 'expected' AND occurs_at <= $2 AND due_at > $2`,
    [plan.id, now],
  );
  for (const run of moved) {
    const line = standing.covered.find(({ server, database }) => server.id === run.server_id && (database?.id ?? null) === run.database_id);
    if (!line || !standing.schedules.some((schedule) => schedule.type === run.backup_type)) {
      const reason = plan.deleted_at
        ? 'The plan was deleted before this run started.'
        : 'The plan was changed before this run started, and no longer asks for it.';
      await ledger.move(transaction, run, 'skipped', 'tick', { reasons: [reason] });
      continue;
    }
    const due = dueAt(run.occurs_at!, standing.rulesFor(line.server));
    await transaction.query(`UPDATE runs SET due_at = GREATEST($2::timestamptz, $3) WHERE id = $1`, [run.id, due, now]);
  }
}

interface ExpectedRow {
  id: string;
  plan: Pick<PlanRow, 'id' | 'priority'>;
  server: string;
  database: Covered['database'];
  type: BackupType;
  occursAt: Date;
  dueAt: Date;
}

/** The plans are locked: what stands in their rows is what was planned with. */
async function insertExpected(transaction: Transaction, rows: readonly ExpectedRow[]): Promise<void> {
  await transaction.query(
    // A clock that was set back, or another replica, finds the row of this occurrence there.
    `INSERT INTO runs (id, organization_id, type, state, cause, plan_id, method, repository_id, max_attempts, deadline_minutes, deep, server_id, database_id, database_name, backup_type, priority, occurs_at, due_at, names)
     SELECT expected.id, plans.organization_id, 'backup', 'expected', 'schedule', plans.id, plans.method, plans.repository_id, plans.max_attempts, plans.deadline_minutes, plans.deep,
       expected.server_id, expected.database_id, expected.database_name, expected.backup_type, expected.priority, expected.occurs_at, expected.due_at,
       concat_ws(' ', (SELECT name FROM servers WHERE servers.id = expected.server_id), plans.name)
     FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::int[], $8::timestamptz[], $9::timestamptz[])
       AS expected (id, plan_id, server_id, database_id, database_name, backup_type, priority, occurs_at, due_at)
     JOIN plans ON plans.id = expected.plan_id
     ON CONFLICT DO NOTHING`,
    [
      rows.map((row) => row.id),
      rows.map((row) => row.plan.id),
      rows.map((row) => row.server),
      rows.map((row) => row.database?.id ?? null),
      rows.map((row) => row.database?.name ?? null),
      rows.map((row) => row.type),
      rows.map((row) => priorityOf({ type: 'backup', backup_type: row.type, cause: 'schedule' }, row.plan.priority)),
      rows.map((row) => row.occursAt),
      rows.map((row) => row.dueAt),
    ],
  );
}
