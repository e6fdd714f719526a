import { QUEUES, type CommandPayload } from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { Transaction } from '@rahat/persistence';
import type { BackupRow } from '../backups/backups.table.js';
import type { Clock } from '../clock/clock.js';
import { recordOwnAct } from '../trail/trail.js';
import type { Returns } from '../trash/returns.js';
import { LONGEST_RETRY_MS, retryLater } from './removal-retries.js';

type RemovedRow = Pick<BackupRow, 'id' | 'organization_id' | 'repository_id' | 'snapshot'>;

export interface Removal {
  backup: RemovedRow;
  reason: string;
}

/** Brings backups to the trash of their repository, whoever decided it; the row stays until the storage says that it is done. */
export class Removals {
  constructor(
    private readonly outbox: Outbox,
    private readonly returns: Returns,
    private readonly clock: Clock,
  ) {}

  /** They are locked. */
  async begin(transaction: Transaction, removed: readonly Removal[]): Promise<void> {
    if (removed.length === 0) return;
    const now = this.clock.now();
    await transaction.query(
      `UPDATE backups SET removal_requested_at = $3, removal_retry_at = $4, removal_tries = 1, due_since = NULL, retention_reason = removed.reason
       FROM unnest($1::text[], $2::text[]) AS removed (id, reason) WHERE backups.id = removed.id`,
      [removed.map(({ backup }) => backup.id), removed.map(({ reason }) => reason), now, new Date(now.getTime() + LONGEST_RETRY_MS)],
    );
    for (const { backup, reason } of removed) await this.command(transaction, backup, reason);
  }

  /** The storage's answer. A failed removal keeps the row and is tried again. */
  async removed(transaction: Transaction, message: CommandPayload<'snapshot.removed.v1'>): Promise<void> {
    const [backup] = await transaction.query<BackupRow>(`SELECT * FROM backups WHERE id = $1 AND snapshot = $2 FOR UPDATE`, [
      message.backup,
      message.snapshot,
    ]);
    if (!backup) return;
    if (!backup.removal_requested_at || backup.undo_requested_at) {
      // A command that was on its way twice overtook the undo: what is in the catalog must be in the repository.
      if (!message.error) await this.returns.request(transaction, backup);
      return;
    }
    if (backup.removed_at) return;
    if (message.error) return retryLater(transaction, backup, message.error, this.clock.now());
    await transaction.query(`UPDATE backups SET removed_at = $2, removal_error = NULL, removal_retry_at = NULL WHERE id = $1`, [
      backup.id,
      this.clock.now(),
    ]);
    await recordOwnAct(this.outbox, transaction, backup.organization_id, {
      action: 'backup.removed',
      target: { kind: 'backup', id: backup.id },
      details: { snapshot: backup.snapshot, reason: backup.retention_reason },
    });
  }

  /** Removals that failed, or whose answer never came. */
  async retryRemovals(transaction: Transaction): Promise<void> {
    const due = await transaction.query<BackupRow>(
      `SELECT * FROM backups WHERE removal_requested_at IS NOT NULL AND removed_at IS NULL AND removal_retry_at <= $1 ORDER BY removal_retry_at LIMIT 50 FOR UPDATE SKIP LOCKED`,
      [this.clock.now()],
    );
    for (const backup of due) await this.request(transaction, backup, backup.retention_reason);
  }

  private async request(transaction: Transaction, backup: RemovedRow, reason: string): Promise<void> {
    await transaction.query(`UPDATE backups SET removal_tries = removal_tries + 1, removal_retry_at = $2 WHERE id = $1`, [
      backup.id,
      new Date(this.clock.now().getTime() + LONGEST_RETRY_MS),
    ]);
    await this.command(transaction, backup, reason);
  }

  private async command(transaction: Transaction, backup: RemovedRow, reason: string): Promise<void> {
    await this.outbox.command(transaction, QUEUES.storage, 'snapshot.remove.v1', {
      organization: backup.organization_id,
      repository: backup.repository_id,
      snapshot: backup.snapshot,
      backup: backup.id,
      reason,
    });
  }
}
