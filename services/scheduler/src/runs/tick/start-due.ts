import type { Transaction } from '@rahat/persistence';
import type { PlanRow } from '../../plans/plans.table.js';
import { activeRunOf, newBackupRun } from '../backup-now.js';
import type { RunLedger } from '../run-ledger.js';
import type { RunRow } from '../runs.table.js';
import { decideOverdue } from './overdue.js';

const ROWS_AT_ONCE = 500;

/** Expected runs whose time has come become due or missed, in time order. */
export async function startDueRuns(transaction: Transaction, ledger: RunLedger, now: Date, missedAfterMs: number): Promise<void> {
  const runs = await transaction.query<RunRow>(
    `SELECT * FROM runs WHERE state = 'expected' AND due_at <= $1 ORDER BY due_at LIMIT ${ROWS_AT_ONCE} FOR UPDATE SKIP LOCKED`,
    [now],
  );
  for (const line of Map.groupBy(runs, (run) => `${run.plan_id} ${run.database_id}`).values()) {
    const [{ plan_id: planId, database_id: databaseId }] = line as [RunRow];
    const [plan] = await transaction.query<PlanRow>(`SELECT * FROM plans WHERE id = $1`, [planId]);
    const busy = (await activeRunOf(transaction, plan!.id, databaseId)) !== undefined;
    const { decisions, catchUp } = decideOverdue(
      line.map((run) => ({ id: run.id, dueAt: run.due_at })),
      { now, missedAfterMs, catchUp: plan!.enabled ? plan!.catch_up : 'skip', busy },
    );
    for (const decision of decisions) {
      const run = line.find((candidate) => candidate.id === decision.id)!;
      if (decision.becomes === 'due') await ledger.move(transaction, run, 'due', 'tick');
      else await ledger.move(transaction, run, 'missed', 'tick', { reasons: [decision.reason] });
    }
    if (catchUp)
      await ledger.createDue(transaction, newBackupRun(plan!, { id: databaseId, name: line[0]!.database_name }, 'catch_up', now));
  }
}

/** Due runs get their first attempt, as far as their servers have room. */
export async function queueDueRuns(transaction: Transaction, ledger: RunLedger, now: Date): Promise<void> {
  const runs = await transaction.query<RunRow>(
    `SELECT * FROM runs WHERE state = 'due' ORDER BY due_at, id LIMIT ${ROWS_AT_ONCE} FOR UPDATE SKIP LOCKED`,
  );
  for (const run of runs) {
    if (await serverHasRoom(transaction, run)) await ledger.queueAttempt(transaction, run, 'tick', { not_before: now });
  }
}

/**
 * One run at a time that loads the server itself. Verifications read the repository and restore elsewhere.
 * A run that waits for its next attempt leaves its place to others.
 */
export async function serverHasRoom(transaction: Transaction, run: RunRow): Promise<boolean> {
  if (run.type === 'verification') return true;
  const [other] = await transaction.query(
    `SELECT 1 FROM runs WHERE server_id = $1 AND id <> $2 AND type IN ('backup', 'restore') AND (state = 'running' OR (state = 'queued' AND (dispatched_at IS NOT NULL OR attempt = 1))) LIMIT 1`,
    [run.server_id, run.id],
  );
  return other === undefined;
}
