import {
  RahatError,
  type Backup,
  type Page,
  type Principal,
  type RemoveBackup,
  type TrashedBackup,
  type TrashQuery,
} from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { TenantDatabase, Transaction } from '@rahat/persistence';
import { recordAct, type ListPages } from '@rahat/service-kit';
import { findBackup, lockForReading, presentBackup, type BackupRow, type NamedBackupRow } from '../backups/backups.table.js';
import type { PlanRow } from '../plans/plans.table.js';
import { lineOf, policyOf } from '../retention/lines.js';
import type { Removals } from '../retention/removals.js';
import { obstacleTo, type LinePolicy } from '../retention/retention.js';
import type { Returns } from './returns.js';
import { presentTrashed, TRASHED, type TrashedRow } from './trash.table.js';

/** Of backups that no plan stands behind any more: the newest whole one stays. */
const WITHOUT_PLAN: LinePolicy = {
  keepLast: 1,
  keepProven: 1,
  keepDays: null,
  keepHourly: 0,
  keepDaily: 0,
  keepWeekly: 0,
  keepMonthly: 0,
  keepYearly: 0,
  maxBytes: null,
  demanded: 'stored',
  timeZone: 'UTC',
};

/** What persons remove and bring back. */
export class TrashService {
  constructor(
    private readonly database: TenantDatabase,
    private readonly outbox: Outbox,
    private readonly removals: Removals,
    private readonly returns: Returns,
    private readonly pages: ListPages,
  ) {}

  /** The last one that was removed first. */
  async list(principal: Principal, query: TrashQuery): Promise<Page<TrashedBackup>> {
    const [removedAt = null, id = null] = this.pages.after(query.cursor);
    const rows = await this.database.inOrganization(principal, (transaction) =>
      transaction.query<TrashedRow>(
        `${TRASHED} AND backups.organization_id = $1 AND ($2::timestamptz IS NULL OR (backups.removed_at, backups.id) < ($2, $3)) AND ($4::text IS NULL OR backups.repository_id = $4)
         ORDER BY backups.removed_at DESC, backups.id DESC LIMIT $5`,
        [principal.organization, removedAt, id, query.repository ?? null, query.limit + 1],
      ),
    );
    return this.pages.page(rows, query.limit, presentTrashed, (row) => [row.removed_at.toISOString(), row.id]);
  }

  async remove(principal: Principal, id: string, { reason }: RemoveBackup): Promise<Backup> {
    return this.database.inOrganization(principal, async (transaction) => {
      const backup = await this.lockWithLine(transaction, id);
      const obstacle = backup.missing_since
        ? backup.hold && `held: ${backup.hold.reason}`
        : obstacleTo(id, await lineOf(transaction, backup), await transaction.inWholeOrganization(() => policyFor(transaction, backup)));
      if (obstacle)
        throw new RahatError('conflict', `This backup stays: ${obstacle}`, {
          hint: backup.hold ? 'Release it first.' : 'Nothing may take away what the restore of a database rests upon.',
        });
      await this.removals.begin(transaction, [{ backup, reason: `removed by ${principal.name}: ${reason}` }]);
      await recordAct(this.outbox, transaction, principal, {
        action: 'backup.removal_requested',
        target: { kind: 'backup', id },
        details: { snapshot: backup.snapshot, reason },
      });
      return presentBackup(await findBackup(transaction, id));
    });
  }

  /** Undoes a removal, whoever asked for it, with all that the backup is restored upon. */
  async bringBack(principal: Principal, id: string): Promise<Backup> {
    return this.database.inOrganization(principal, async (transaction) => {
      await transaction.query(`SELECT 1 FROM backups WHERE id = $1 FOR UPDATE`, [id]);
      const backup = await findBackup(transaction, id);
      if (backup.undo_requested_at) return presentBackup(backup);
      refuseReturn(backup);
      for (const returning of [...(await trashedBelow(transaction, backup)), backup]) {
        await this.returns.begin(transaction, returning, principal.name);
        await recordAct(this.outbox, transaction, principal, {
          action: 'backup.return_requested',
          target: { kind: 'backup', id: returning.id },
          details: { snapshot: returning.snapshot },
        });
      }
      return presentBackup(await findBackup(transaction, id));
    });
  }

  /** In the order in which retention locks: the plan, then its backups. */
  private async lockWithLine(transaction: Transaction, id: string): Promise<NamedBackupRow> {
    const { plan_id: plan, server_id: server, database_id: database } = await findBackup(transaction, id);
    await transaction.inWholeOrganization(() => transaction.query(`SELECT 1 FROM plans WHERE id = $1 FOR UPDATE`, [plan]));
    await transaction.query(
      `SELECT 1 FROM backups WHERE plan_id IS NOT DISTINCT FROM $1 AND server_id = $2 AND database_id IS NOT DISTINCT FROM $3 AND removed_at IS NULL ORDER BY id FOR UPDATE`,
      [plan, server, database],
    );
    return lockForReading(transaction, id);
  }
}

async function policyFor(transaction: Transaction, { plan_id: id }: NamedBackupRow): Promise<LinePolicy> {
  // The floor of a deleted plan holds on.
  const [plan] = await transaction.query<PlanRow>(`SELECT * FROM plans WHERE id = $1`, [id]);
  return plan ? policyOf(transaction, plan) : WITHOUT_PLAN;
}

/** The full one first. What is back already, or on its way, is left alone; without what is gone for ever nothing upon it is worth a return. */
async function trashedBelow(transaction: Transaction, backup: BackupRow): Promise<BackupRow[]> {
  const below: BackupRow[] = [];
  for (let link = backup; link.parent_snapshot !== null;) {
    const [parent] = await transaction.query<BackupRow>(`SELECT * FROM backups WHERE repository_id = $1 AND snapshot = $2 FOR UPDATE`, [
      link.repository_id,
      link.parent_snapshot,
    ]);
    if (!parent || parent.purged_at)
      throw new RahatError('conflict', `What this backup is restored upon is gone: ${parent?.id ?? `snapshot ${link.parent_snapshot}`}`);
    if (parent.removal_requested_at && !parent.undo_requested_at) {
      refuseReturn(parent);
      below.unshift(parent);
    }
    link = parent;
  }
  return below;
}

function refuseReturn(backup: BackupRow): void {
  if (!backup.removal_requested_at) throw new RahatError('conflict', 'This backup was not removed');
  if (!backup.removed_at)
    throw new RahatError('conflict', 'This backup is still on its way to the trash', {
      hint: 'Try it again in a moment.',
      retryable: true,
    });
  if (backup.purged_at) throw new RahatError('conflict', 'This backup left the trash for ever: its time to undo the removal is over');
}
