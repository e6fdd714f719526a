import type { Transaction } from '@rahat/persistence';
import { type Candidate, chooseParent, type ParentChoice } from './choose-parent.js';
import type { RunRow } from './runs.table.js';

/** How often the chosen one may go away between being seen and being locked. */
const MOST_TRIES = 3;

/**
 * Chooses what the run's current attempt is taken upon, once: an attempt that is sent again is the same one. From here on until the run
 * has ended retention leaves the chosen one where it is.
 */
export async function parentOfAttempt(
  transaction: Transaction,
  run: RunRow,
  identity: string | null,
): Promise<Partial<Record<'parent' | 'fullBecause', string>>> {
  const { backup_type: type } = run;
  if (run.type !== 'backup' || (type !== 'incremental' && type !== 'differential')) return {};
  const [attempt] = await transaction.query<{ parent_snapshot: string | null }>(
    `SELECT parent_snapshot FROM attempts WHERE run_id = $1 AND attempt = $2 FOR UPDATE`,
    [run.id, run.attempt],
  );
  if (attempt?.parent_snapshot) return { parent: attempt.parent_snapshot };
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const choice: ParentChoice = chooseParent(type, await candidatesOf(transaction, run), identity);
    if ('fullBecause' in choice) return choice;
    if (await lockIfKept(transaction, run, choice.parent)) {
      await transaction.query(`UPDATE attempts SET parent_snapshot = $3 WHERE run_id = $1 AND attempt = $2`, [
        run.id,
        run.attempt,
        choice.parent,
      ]);
      return choice;
    }
  }
  return { fullBecause: 'backups of this line were being removed' };
}

async function candidatesOf(transaction: Transaction, run: RunRow): Promise<Candidate[]> {
  return transaction.query<Candidate>(
    `SELECT snapshot, backup_type AS type, state, proof, parent_snapshot AS parent, system_identity AS system, consistent_at AS "consistentAt"
     FROM backups WHERE plan_id = $1 AND server_id = $2 AND database_id IS NULL AND repository_id = $3 AND method = $4
       AND removed_at IS NULL AND removal_requested_at IS NULL AND missing_since IS NULL ORDER BY consistent_at DESC, id DESC`,
    [run.plan_id, run.server_id, run.repository_id, run.method],
  );
}

/** Retention locks the rows of a line, too, before it decides about them. */
async function lockIfKept(transaction: Transaction, run: RunRow, snapshot: string): Promise<boolean> {
  const rows = await transaction.query(
    `SELECT 1 FROM backups WHERE repository_id = $1 AND snapshot = $2 AND removal_requested_at IS NULL AND missing_since IS NULL AND proof <> 'damaged' FOR UPDATE`,
    [run.repository_id, snapshot],
  );
  return rows.length > 0;
}
