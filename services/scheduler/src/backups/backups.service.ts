import type { Backup, BackupQuery, Page, Principal, Run, VerifyBackup } from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { TenantDatabase, Transaction } from '@rahat/persistence';
import { recordAct, type ListPages } from '@rahat/service-kit';
import { presentRun } from '../runs/runs.table.js';
import type { VerificationChain } from '../verification/verification-chain.js';
import { foundIds } from '../catalog/found-ids.js';
import { BACKUP_ORDER, backupConditions } from './backup-list.js';
import { findBackup, lockForReading, presentBackup, SHOWN_BACKUPS, type ShownBackupRow } from './backups.table.js';

/** The catalog: what was accepted, what it is worth, and whether it is still there. */
export class BackupsService {
  constructor(
    private readonly database: TenantDatabase,
    private readonly outbox: Outbox,
    private readonly verification: VerificationChain,
    private readonly pages: ListPages,
  ) {}

  async list(principal: Principal, query: BackupQuery): Promise<Page<Backup>> {
    const [after] = this.pages.after(query.cursor);
    const conditions = backupConditions(principal, query, after);
    const ids = await foundIds(this.database, 'backups', conditions, { order: BACKUP_ORDER, limit: query.limit + 1 });
    const rows = await this.database.inOrganization(principal, (transaction) =>
      transaction.last.prepared<ShownBackupRow>(`${SHOWN_BACKUPS} WHERE backups.id = ANY ($1::text[]) ORDER BY backups.id DESC`, [ids]),
    );
    return this.pages.page(rows, query.limit, presentBackup, (row) => [row.id]);
  }

  async get(principal: Principal, id: string): Promise<Backup> {
    return this.database.inOrganization(principal, (transaction) => this.getIn(transaction, id));
  }

  async getIn(transaction: Transaction, id: string): Promise<Backup> {
    return presentBackup(await findBackup(transaction, id));
  }

  async verify(principal: Principal, id: string, request: VerifyBackup): Promise<Run> {
    return this.database.inOrganization(principal, async (transaction) => {
      const backup = await lockForReading(transaction, id);
      const run = await this.verification.start(transaction, backup, request.level, 'person');
      await recordAct(this.outbox, transaction, principal, {
        action: 'backup.verification_started',
        target: { kind: 'backup', id },
        details: { level: request.level, run: run!.id },
      });
      return presentRun(run!);
    });
  }
}
