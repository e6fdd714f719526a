import type { SafetyCopyOrder } from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';
import type { RunLedger } from '../runs/run-ledger.js';
import type { RestoreRequest } from '../runs/run-specs.js';
import { findRun, type RunCause, type RunRow } from '../runs/runs.table.js';
import type { ServerRow } from '../servers/servers.table.js';
import { insertRestorePlan, recordPlanRun, type Outline } from './restore-plans.table.js';
import { recordEnding, type SafetyCopyRow } from './safety-copies.table.js';

const DEADLINE_MINUTES = 24 * 60;
/** Nobody waits for what is only forgotten. */
const EXPIRY_PRIORITY = 90;
/** A drop that was done already is done again without harm; an undo is looked at by a person first, as a restore is. */
const ATTEMPTS: Record<SafetyCopyOrder['action'], number> = { undo: 1, drop: 3 };

export interface Ending {
  copy: SafetyCopyRow;
  server: Pick<ServerRow, 'id' | 'address'>;
  order: SafetyCopyOrder;
  outline: Outline;
  cause: Extract<RunCause, 'person' | 'reaction'>;
}

/** A run of its own, judged by its evidence: of the backup that was restored, into the database that it went into. */
export async function startEnding(
  transaction: Transaction,
  ledger: RunLedger,
  { copy, server, order, outline, cause }: Ending,
  now: Date,
): Promise<RunRow> {
  const request: RestoreRequest = {
    target: { kind: 'database', name: copy.database_name, replace: false },
    intoExisting: false,
    noOwner: false,
    noAcl: false,
    safetyCopy: order,
  };
  const restore = await findRun(transaction, copy.run_id);
  // Who may see the server may undo on it, wherever the backup came from.
  const plan = await transaction.inWholeOrganization(() =>
    insertRestorePlan(transaction, copy.organization_id, {
      backup_id: restore.backup_id!,
      server_id: server.id,
      request,
      outline: { ...outline, address: server.address },
      created_at: now,
      expires_at: now,
    }),
  );
  const run = await ledger.createDue(transaction, {
    organization_id: copy.organization_id,
    type: 'restore',
    cause,
    ...(cause === 'reaction' && { priority: EXPIRY_PRIORITY }),
    server_id: server.id,
    database_name: copy.database_name,
    backup_id: restore.backup_id,
    restore_plan_id: plan.id,
    snapshot: restore.snapshot,
    repository_id: restore.repository_id,
    method: restore.method,
    max_attempts: ATTEMPTS[order.action],
    deadline_minutes: DEADLINE_MINUTES,
    due_at: now,
  });
  await transaction.inWholeOrganization(() => recordPlanRun(transaction, plan.id, run.id));
  await recordEnding(transaction, copy.run_id, run.id);
  return run;
}
