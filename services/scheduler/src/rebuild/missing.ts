import { MOST_MISSING_NAMED, type MissingBackups } from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';
import type { RunRow } from '../runs/runs.table.js';
import { seenBy } from './catalog-rows.js';

/** Not what was recorded, held or brought back since the listing began, and not what is on its way to the trash. */
const MISSING = `repository_id = $1 AND seen_by IS DISTINCT FROM $2 AND removal_requested_at IS NULL AND created_at < $3
  AND COALESCE((hold->>'at')::timestamptz < $3, true)`;

/** After the last page. Rows whose snapshot was not seen are marked, and stay; of what is gone from the trash no undo is promised any more. */
export async function markMissing(transaction: Transaction, run: RunRow, since: Date, now: Date): Promise<MissingBackups> {
  const values = [run.repository_id, seenBy(run), since];
  if (!run.dry_run) {
    await transaction.query(`UPDATE backups SET missing_since = $4 WHERE ${MISSING} AND missing_since IS NULL`, [...values, now]);
    await transaction.query(
      `UPDATE backups SET purged_at = $4 WHERE repository_id = $1 AND seen_by IS DISTINCT FROM $2 AND removed_at < $3 AND purged_at IS NULL AND undo_requested_at IS NULL`,
      [...values, now],
    );
  }
  const [counted] = await transaction.query<{ count: number }>(`SELECT count(*)::int AS count FROM backups WHERE ${MISSING}`, values);
  const backups = await transaction.query<{ backup: string; snapshot: string }>(
    `SELECT id AS backup, snapshot FROM backups WHERE ${MISSING} ORDER BY id DESC LIMIT ${MOST_MISSING_NAMED}`,
    values,
  );
  return { count: counted!.count, backups };
}
