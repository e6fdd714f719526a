import { RahatError, type Backup, type HoldBackup, type Principal } from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { TenantDatabase } from '@rahat/persistence';
import { changesBetween, recordAct, whatever, type Expected } from '@rahat/service-kit';
import { findBackup, lockForReading, presentBackup } from '../backups/backups.table.js';
import type { Clock } from '../clock/clock.js';

/** What somebody said must stay, until somebody says that it need not. */
export class BackupHolds {
  constructor(
    private readonly database: TenantDatabase,
    private readonly outbox: Outbox,
    private readonly clock: Clock,
  ) {}

  /** A second hold takes the place of the first. */
  async hold(principal: Principal, id: string, { reason }: HoldBackup, expected: Expected = whatever): Promise<Backup> {
    return this.database.inOrganization(principal, async (transaction) => {
      const before = await lockForReading(transaction, id);
      expected(presentBackup(before));
      const hold = { reason, by: principal.name, at: this.clock.now().toISOString() };
      await transaction.query(`UPDATE backups SET hold = $2, retention_reason = $3 WHERE id = $1`, [
        id,
        JSON.stringify(hold),
        `held: ${reason}`,
      ]);
      const details = { ...changesBetween({ hold: before.hold }, { hold }) };
      await recordAct(this.outbox, transaction, principal, { action: 'backup.held', target: { kind: 'backup', id }, details });
      return presentBackup(await findBackup(transaction, id));
    });
  }

  /** Retention decides about it again with the next backup of its database. */
  async release(principal: Principal, id: string, expected: Expected = whatever): Promise<Backup> {
    return this.database.inOrganization(principal, async (transaction) => {
      const before = await lockForReading(transaction, id);
      expected(presentBackup(before));
      const { hold } = before;
      if (!hold) throw new RahatError('conflict', 'Nobody holds this backup');
      await transaction.query(`UPDATE backups SET hold = NULL, retention_reason = $2 WHERE id = $1`, [
        id,
        'released; retention has not looked at it since',
      ]);
      await recordAct(this.outbox, transaction, principal, {
        action: 'backup.released',
        target: { kind: 'backup', id },
        details: { ...changesBetween({ hold }, { hold: null }) },
      });
      return presentBackup(await findBackup(transaction, id));
    });
  }
}
