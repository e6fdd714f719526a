import type { VerificationLevel, VerifyEvery } from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';
import type { BackupRow } from '../backups/backups.table.js';

type Sampled = Pick<BackupRow, 'id' | 'plan_id' | 'server_id' | 'database_id'>;

/** The first backup of a line, and then every Nth. A look that could not be made doesn't count: the next backup gets one. */
export async function isSampled(
  transaction: Transaction,
  backup: Sampled,
  level: VerificationLevel,
  verifyEvery: VerifyEvery,
): Promise<boolean> {
  const every = verifyEvery[level] ?? 1;
  if (every === 1) return true;
  const line = [backup.plan_id, backup.server_id, backup.database_id, backup.id];
  const [last] = await transaction.query<{ id: string }>(
    `SELECT id FROM backups WHERE plan_id = $1 AND server_id = $2 AND database_id IS NOT DISTINCT FROM $3 AND id < $4 AND EXISTS (
       SELECT 1 FROM runs WHERE runs.backup_id = backups.id AND runs.type = 'verification' AND runs.level = $5 AND runs.state NOT IN ('failed', 'cancelled')
     ) ORDER BY id DESC LIMIT 1`,
    [...line, level],
  );
  if (!last) return true;
  const [since] = await transaction.query<{ backups: number }>(
    `SELECT count(*)::int AS backups FROM backups WHERE plan_id = $1 AND server_id = $2 AND database_id IS NOT DISTINCT FROM $3 AND id <= $4 AND id > $5`,
    [...line, last.id],
  );
  return since!.backups >= every;
}
