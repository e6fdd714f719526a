import { QUEUES, type CommandPayload } from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { Transaction } from '@rahat/persistence';
import type { BackupRow } from '../backups/backups.table.js';
import type { Clock } from '../clock/clock.js';
import { LONGEST_RETRY_MS, retryLater } from '../retention/removal-retries.js';
import { recordOwnAct } from '../trail/trail.js';

/** Brings removed backups back out of the trash; until the storage says that one is there again, it counts as removed. */
export class Returns {
  constructor(
    private readonly outbox: Outbox,
    private readonly clock: Clock,
  ) {}

  /** `backup` is locked and lies in the trash. */
  async begin(transaction: Transaction, backup: BackupRow, by: string): Promise<void> {
    await transaction.query(
      `UPDATE backups SET undo_requested_at = $2, undo_by = $3, removal_tries = 0, removal_error = NULL WHERE id = $1`,
      [backup.id, this.clock.now(), by],
    );
    await this.request(transaction, backup);
  }

  async request(transaction: Transaction, backup: Pick<BackupRow, 'id' | 'organization_id' | 'repository_id' | 'snapshot'>): Promise<void> {
    await transaction.query(
      `UPDATE backups SET removal_tries = removal_tries + 1, removal_retry_at = $2 WHERE id = $1 AND undo_requested_at IS NOT NULL`,
      [backup.id, new Date(this.clock.now().getTime() + LONGEST_RETRY_MS)],
    );
    await this.outbox.command(transaction, QUEUES.storage, 'snapshot.return.v1', {
      organization: backup.organization_id,
      repository: backup.repository_id,
      snapshot: backup.snapshot,
      backup: backup.id,
    });
  }

  /** The storage's answer. The backup has its proof again, and a hold: the next retention would else remove it anew. */
  async returned(transaction: Transaction, message: CommandPayload<'snapshot.returned.v1'>): Promise<void> {
    const [backup] = await transaction.query<BackupRow>(
      `SELECT * FROM backups WHERE id = $1 AND snapshot = $2 AND undo_requested_at IS NOT NULL FOR UPDATE`,
      [message.backup, message.snapshot],
    );
    if (!backup) return;
    const now = this.clock.now();
    if (message.error?.code === 'snapshot_not_found') {
      await transaction.query(
        `UPDATE backups SET purged_at = $2, undo_requested_at = NULL, removal_retry_at = NULL, removal_error = $3 WHERE id = $1`,
        [backup.id, now, JSON.stringify(message.error)],
      );
      return;
    }
    if (message.error) return retryLater(transaction, backup, message.error, now);
    const reason = 'brought back from the trash';
    await transaction.query(
      `UPDATE backups SET removal_requested_at = NULL, removed_at = NULL, removal_error = NULL, removal_retry_at = NULL, removal_tries = 0,
         undo_requested_at = NULL, undo_by = NULL, hold = $2, retention_reason = $3 WHERE id = $1`,
      [backup.id, JSON.stringify({ reason, by: backup.undo_by, at: now.toISOString() }), `held: ${reason}`],
    );
    await recordOwnAct(this.outbox, transaction, backup.organization_id, {
      action: 'backup.returned',
      target: { kind: 'backup', id: backup.id },
      details: { snapshot: backup.snapshot, by: backup.undo_by },
    });
  }

  /** Those that failed, or whose answer never came. */
  async retry(transaction: Transaction): Promise<void> {
    const due = await transaction.query<BackupRow>(
      `SELECT * FROM backups WHERE undo_requested_at IS NOT NULL AND removal_retry_at <= $1 ORDER BY removal_retry_at LIMIT 50 FOR UPDATE SKIP LOCKED`,
      [this.clock.now()],
    );
    for (const backup of due) await this.request(transaction, backup);
  }
}
