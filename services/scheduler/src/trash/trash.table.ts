import type { TrashedBackup } from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';
import type { NamedBackupRow } from '../backups/backups.table.js';
import { DEFAULT_UNDO_DAYS } from '../collections/collection-policies.table.js';

export type TrashedRow = Omit<NamedBackupRow, 'parent_id'> & { removed_at: Date; undo_days: number };

export const TRASHED = `
  SELECT backups.*, servers.name AS server_name, COALESCE(collection_policies.undo_days, ${DEFAULT_UNDO_DAYS}) AS undo_days
  FROM backups JOIN servers ON servers.id = backups.server_id LEFT JOIN collection_policies ON collection_policies.repository_id = backups.repository_id
  WHERE backups.removed_at IS NOT NULL AND backups.purged_at IS NULL`;

/** What a collection took out of the trash for ever. */
export async function recordPurged(transaction: Transaction, repository: string, snapshots: readonly string[], now: Date): Promise<void> {
  if (snapshots.length === 0) return;
  await transaction.query(
    `UPDATE backups SET purged_at = $3, undo_requested_at = NULL, removal_retry_at = NULL
     WHERE repository_id = $1 AND snapshot = ANY ($2::text[]) AND removed_at IS NOT NULL AND purged_at IS NULL`,
    [repository, snapshots, now],
  );
}

export function presentTrashed(row: TrashedRow): TrashedBackup {
  const error = row.undo_requested_at ? row.removal_error : null;
  return {
    backup: row.id,
    snapshot: row.snapshot,
    repository: row.repository_id,
    plan: row.plan_id,
    server: row.server_id,
    serverName: row.server_name,
    database: row.database_id,
    databaseName: row.database_name,
    consistentAt: row.consistent_at.toISOString(),
    proof: row.proof,
    sizeBytes: Number(row.size_bytes),
    addedBytes: Number(row.added_bytes),
    removedAt: row.removed_at.toISOString(),
    reason: row.retention_reason,
    undoUntil: new Date(row.removed_at.getTime() + row.undo_days * 86_400_000).toISOString(),
    state: row.undo_requested_at ? 'returning' : 'trashed',
    error: error ? { code: error.code, message: error.message, hint: error.hint } : null,
  };
}
