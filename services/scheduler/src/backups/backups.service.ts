import type { Backup, BackupQuery, Page, Principal, Run, VerifyBackup } from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { ServiceDatabase } from '@rahat/persistence';
import type { ListPages } from '../paging/list-page.js';
import { presentRun } from '../runs/runs.table.js';
import { recordAct } from '../trail/trail.js';
import type { VerificationChain } from '../verification/verification-chain.js';
import { findBackup, lockForReading, NAMED_BACKUPS, presentBackup, type NamedBackupRow } from './backups.table.js';

/** The catalog: what was accepted, what it is worth, and whether it is still there. */
export class BackupsService {
  constructor(
    private readonly database: ServiceDatabase,
    private readonly outbox: Outbox,
    private readonly verification: VerificationChain,
    private readonly pages: ListPages,
  ) {}

  async list(principal: Principal, query: BackupQuery): Promise<Page<Backup>> {
    const [after = null] = this.pages.after(query.cursor);
    const rows = await this.database.inOrganization(principal.organization, (transaction) =>
      transaction.query<NamedBackupRow>(
        `${NAMED_BACKUPS} WHERE ($1::text IS NULL OR backups.id < $1) AND ($2::text IS NULL OR backups.server_id = $2) AND ($3::text IS NULL OR backups.database_id = $3)
           AND ($4::text IS NULL OR backups.plan_id = $4) AND ($5 OR backups.removed_at IS NULL)
         ORDER BY backups.id DESC LIMIT $6`,
        [after, query.server ?? null, query.database ?? null, query.plan ?? null, query.removed === 'true', query.limit + 1],
      ),
    );
    return this.pages.page(rows, query.limit, presentBackup, (row) => [row.id]);
  }

  async get(principal: Principal, id: string): Promise<Backup> {
    return presentBackup(await this.database.inOrganization(principal.organization, (transaction) => findBackup(transaction, id)));
  }

  async verify(principal: Principal, id: string, request: VerifyBackup): Promise<Run> {
    return this.database.inOrganization(principal.organization, async (transaction) => {
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
