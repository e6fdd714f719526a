import { newId } from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';
import type { PlanRow } from '../../plans/plans.table.js';
import { occurrencesBetween } from '../../plans/schedule.js';
import { coverageOf } from '../backup-now.js';

const HORIZON_MS = 48 * 3_600_000;
/** The ledger is filled up once this much of it was used. */
const REFILL_MS = 3_600_000;
/** A scheduler that slept for months leaves so many rows of one plan as missed, and no more. */
const MOST_OCCURRENCES = 3_000;

/** Writes the runs of the next 48 h down as expected, so that their absence shows. */
export async function planExpectedRuns(transaction: Transaction, now: Date): Promise<void> {
  const plans = await transaction.query<PlanRow>(
    `SELECT * FROM plans WHERE replan OR (enabled AND cron IS NOT NULL AND deleted_at IS NULL AND planned_until < $1) ORDER BY planned_until LIMIT 100 FOR UPDATE SKIP LOCKED`,
    [new Date(now.getTime() + HORIZON_MS - REFILL_MS)],
  );
  for (const plan of plans) await planOne(transaction, plan, now);
}

async function planOne(transaction: Transaction, plan: PlanRow, now: Date): Promise<void> {
  // Without the plan's word nothing is expected any more; what is overdue already stays and is told as missed.
  if (plan.replan)
    await transaction.query(`DELETE FROM runs WHERE plan_id = $1 AND cause = 'schedule' AND state = 'expected' AND due_at > $2`, [
      plan.id,
      now,
    ]);
  if (!plan.enabled || plan.cron === null || plan.deleted_at) {
    await transaction.query(`UPDATE plans SET replan = false WHERE id = $1`, [plan.id]);
    return;
  }
  const from = plan.replan && plan.planned_until > now ? now : plan.planned_until;
  const until = new Date(now.getTime() + HORIZON_MS);
  const occurrences = occurrencesBetween({ cron: plan.cron, timeZone: plan.time_zone }, from, until, MOST_OCCURRENCES);
  const covered = await coverageOf(transaction, plan);
  const rows = covered.flatMap((database) => occurrences.map((dueAt) => ({ id: newId('run'), database, dueAt })));
  await transaction.query(
    // A clock that was set back, or another replica, finds the row of this occurrence there.
    `INSERT INTO runs (id, organization_id, type, state, cause, plan_id, server_id, method, repository_id, max_attempts, deadline_minutes, deep, database_id, database_name, due_at)
     SELECT id, $1, 'backup', 'expected', 'schedule', $2, $3, $4, $5, $6, $7, $8, database_id, database_name, due_at
     FROM unnest($9::text[], $10::text[], $11::text[], $12::timestamptz[]) AS expected (id, database_id, database_name, due_at)
     ON CONFLICT DO NOTHING`,
    [
      plan.organization_id,
      plan.id,
      plan.server_id,
      plan.method,
      plan.repository_id,
      plan.max_attempts,
      plan.deadline_minutes,
      plan.deep,
      rows.map((row) => row.id),
      rows.map((row) => row.database.id),
      rows.map((row) => row.database.name),
      rows.map((row) => row.dueAt),
    ],
  );
  const plannedUntil = occurrences.length === MOST_OCCURRENCES ? occurrences.at(-1)! : until;
  await transaction.query(
    `UPDATE plans SET planned_until = GREATEST($2, CASE WHEN replan THEN $2 ELSE planned_until END), replan = false WHERE id = $1`,
    [plan.id, plannedUntil],
  );
}
