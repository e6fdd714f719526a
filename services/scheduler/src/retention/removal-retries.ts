import type { RunError } from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';
import type { BackupRow } from '../backups/backups.table.js';

const FIRST_RETRY_MS = 60_000;
/** Also how long an answer is waited for. */
export const LONGEST_RETRY_MS = 6 * 3_600_000;

/** The storage could not; it is asked again, each time later. */
export async function retryLater(transaction: Transaction, backup: BackupRow, error: RunError, now: Date): Promise<void> {
  await transaction.query(`UPDATE backups SET removal_error = $2, removal_retry_at = $3 WHERE id = $1`, [
    backup.id,
    JSON.stringify(error),
    new Date(now.getTime() + retryAfterMs(backup.removal_tries)),
  ]);
}

function retryAfterMs(tries: number): number {
  return Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(20, Math.max(0, tries - 1)));
}
