import { RahatError, type ComparedWith, type Principal, type Run, type StartComparison } from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { TenantDatabase, Transaction } from '@rahat/persistence';
import { recordAct } from '@rahat/service-kit';
import { lockForReading, type NamedBackupRow } from '../backups/backups.table.js';
import type { Clock } from '../clock/clock.js';
import type { RunLedger } from '../runs/run-ledger.js';
import { presentRun } from '../runs/runs.table.js';

const DEADLINE_MINUTES = 720;
const ATTEMPTS = 2;

/** What differs between two backups, or a backup and its database: found by a worker, told as the evidence of its run. */
export class ComparisonsService {
  constructor(
    private readonly database: TenantDatabase,
    private readonly outbox: Outbox,
    private readonly ledger: RunLedger,
    private readonly clock: Clock,
  ) {}

  async start(principal: Principal, request: StartComparison): Promise<Run> {
    return this.database.inOrganization(principal, async (transaction) => {
      const older = await lockForReading(transaction, request.older);
      assertLogical(older);
      const newer = await newerSide(transaction, older, request.newer);
      const { tables, schemaOnly } = request;
      const run = await this.ledger.createDue(transaction, {
        organization_id: older.organization_id,
        type: 'comparison',
        cause: 'person',
        plan_id: older.plan_id,
        server_id: older.server_id,
        database_id: older.database_id,
        database_name: older.database_name,
        backup_id: older.id,
        snapshot: older.snapshot,
        repository_id: older.repository_id,
        method: older.method,
        compared_with: { newer, schemaOnly, ...(tables && { tables }) },
        max_attempts: ATTEMPTS,
        deadline_minutes: DEADLINE_MINUTES,
        due_at: this.clock.now(),
      });
      await recordAct(this.outbox, transaction, principal, {
        action: 'backup.comparison_started',
        target: { kind: 'backup', id: older.id },
        details: { run: run.id, newer: request.newer ?? newer, ...(tables && { tables }), schemaOnly },
      });
      return presentRun(run);
    });
  }
}

async function newerSide(transaction: Transaction, older: NamedBackupRow, id: string | undefined): Promise<ComparedWith> {
  if (id === undefined) {
    if (older.database_name === null) throw new RahatError('conflict', "The catalog doesn't know which database this backup is of");
    return { kind: 'database', name: older.database_name };
  }
  const newer = await lockForReading(transaction, id);
  assertLogical(newer);
  if (newer.repository_id !== older.repository_id)
    throw new RahatError('conflict', 'The two backups lie in different repositories', {
      hint: 'Choose two of one repository, or compare copies of them offline.',
    });
  // Whoever may see the one server and not the other would read of both in the report.
  if (newer.server_id !== older.server_id)
    throw new RahatError('conflict', 'The two backups are of different servers', {
      hint: 'Compare them offline: rahat-backup repository compare.',
    });
  return { kind: 'backup', snapshot: newer.snapshot };
}

function assertLogical({ id, method }: NamedBackupRow): void {
  if (method !== 'postgresql.logical')
    throw new RahatError('conflict', `The backup ${id} holds the files of a whole server, in which no tables can be seen`, {
      hint: 'Compare logical backups.',
    });
}
