import { newId, type BackupType } from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';
import { rememberCollection } from '../../collections/collection-policies.table.js';
import { dueAt, type DueRules } from '../../plans/due-time.js';
import type { PlanRow } from '../../plans/plans.table.js';
import { occurrencesBetween } from '../../plans/schedule.js';
import { scheduleOf, schedulesOfPlan, type ScheduleRow } from '../../plans/schedules.table.js';
import { insertExpectedVerifications } from '../../verification/expected-verifications.js';
import { windowsOfOrganization } from '../../scheduling/scheduling.table.js';
import { coverageOf, type Covered } from '../coverage.js';
import { priorityOf } from '../priorities.js';
import type { RunLedger } from '../run-ledger.js';
import type { RunRow } from '../runs.table.js';

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
  let written = 0;
  for (const plan of plans) {
    if (written >= ROWS_AT_ONCE) return { more: true };
    written += await planOne(transaction, ledger, plan, now);
  }
  return { more: plans.length === PLANS_AT_ONCE || written >= ROWS_AT_ONCE };
}

/** Gives how many rows it wrote. A plan of very many databases gets its 48 h in several ticks. */
async function planOne(transaction: Transaction, ledger: RunLedger, plan: PlanRow, now: Date): Promise<number> {
  const schedules = plan.deleted_at ? [] : await schedulesOfPlan(transaction, plan);
  if (plan.replan && !plan.deleted_at) {
    const timeZone = schedules[0]?.time_zone ?? 'UTC';
    await rememberCollection(transaction, { id: plan.repository_id, organization: plan.organization_id, timeZone }, now);
  }
  const verifications = plan.deleted_at ? [] : plan.verify_schedules;
  const lines = schedules.length + verifications.length;
  const covered = lines > 0 ? await coverageOf(transaction, plan) : [];
  const organization = await windowsOfOrganization(transaction, plan.organization_id);
  const rulesFor = (server: Covered['server']): DueRules => ({
    plan: plan.id,
    jitterMinutes: plan.jitter_minutes,
    windows: [...plan.blackouts, ...server.blackouts, ...organization],
    whenDueInside: plan.blackout_due,
  });
  if (plan.replan) await forgetFuture(transaction, ledger, plan, { schedules, covered, rulesFor }, now);
  const from = plan.replan && plan.planned_until > now ? now : plan.planned_until;
  const until = new Date(now.getTime() + HORIZON_MS);
  const most = Math.max(1, Math.min(MOST_OCCURRENCES, Math.floor(ROWS_AT_ONCE / Math.max(1, covered.length * lines))));
  const planned = schedules.map((schedule) => ({ schedule, occurrences: occurrencesBetween(scheduleOf(schedule), from, until, most) }));
  const looks = verifications.map(({ level, cron, timeZone }) => ({
    level,
    occurrences: occurrencesBetween({ cron, timeZone }, from, until, most),
  }));
  const rows = expectedRows(planned, covered, rulesFor);
  for (let start = 0; start < rows.length; start += ROWS_PER_INSERT)
    await insertExpected(transaction, plan, rows.slice(start, start + ROWS_PER_INSERT));
  const expectedLooks = await insertExpectedVerifications(transaction, plan, covered, looks);
  // Where one schedule was cut short, all go on from there; rows that stand already are not doubled.
  const cut = [...planned, ...looks].flatMap(({ occurrences }) => (occurrences.length === most ? [occurrences.at(-1)!] : []));
  const plannedUntil = new Date(Math.min(until.getTime(), ...cut.map((at) => at.getTime())));
  await transaction.query(
    `UPDATE plans SET planned_until = GREATEST($2, CASE WHEN replan THEN $2 ELSE planned_until END), replan = false WHERE id = $1`,
    [plan.id, plannedUntil],
  );
  return rows.length + expectedLooks;
}

function expectedRows(
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
        return ofServer.map(({ database }) => ({ id: newId('run'), server: server.id, database, type, occursAt, dueAt: at }));
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
  server: string;
  database: Covered['database'];
  type: BackupType;
  occursAt: Date;
  dueAt: Date;
}

async function insertExpected(transaction: Transaction, plan: PlanRow, rows: ExpectedRow[]): Promise<void> {
  await transaction.query(
    // A clock that was set back, or another replica, finds the row of this occurrence there.
    `INSERT INTO runs (id, organization_id, type, state, cause, plan_id, method, repository_id, max_attempts, deadline_minutes, deep, server_id, database_id, database_name, backup_type, priority, occurs_at, due_at, names)
     SELECT id, $1, 'backup', 'expected', 'schedule', $2, $3, $4, $5, $6, $7, server_id, database_id, database_name, backup_type, priority, occurs_at, due_at,
       concat_ws(' ', (SELECT name FROM servers WHERE servers.id = server_id), $16::text)
     FROM unnest($8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::int[], $14::timestamptz[], $15::timestamptz[])
       AS expected (id, server_id, database_id, database_name, backup_type, priority, occurs_at, due_at)
     ON CONFLICT DO NOTHING`,
    [
      plan.organization_id,
      plan.id,
      plan.method,
      plan.repository_id,
      plan.max_attempts,
      plan.deadline_minutes,
      plan.deep,
      rows.map((row) => row.id),
      rows.map((row) => row.server),
      rows.map((row) => row.database?.id ?? null),
      rows.map((row) => row.database?.name ?? null),
      rows.map((row) => row.type),
      rows.map((row) => priorityOf({ type: 'backup', backup_type: row.type, cause: 'schedule' }, plan.priority)),
      rows.map((row) => row.occursAt),
      rows.map((row) => row.dueAt),
      plan.name,
    ],
  );
}
