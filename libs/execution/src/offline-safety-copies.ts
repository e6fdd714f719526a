import type { ConnectorSession, Job, RestoreFacts, RestoreOutline, SafetyCopyRequest } from '@rahat/connector-kit';
import { newId, RahatError, SafetyCopyOrder } from '@rahat/contracts';
import { connectorFor, type SourceConnection } from './connectors.js';
import { withScratch, type OfflineOptions } from './offline-scratch.js';
import { safetyCopyRequest } from './restore.js';
import { connectorContext, jobOf } from './run-context.js';

/** A safety copy lies in the database that was restored into, and says all that an undo needs. */
export interface OfflineSafetyCopy extends Pick<SafetyCopyOrder, 'schema' | 'action' | 'force'> {
  /** As `SafetyCopyOrder` says. */
  lockWaitSeconds?: number;
  connection: SourceConnection;
  database: string;
}

/** What its end would do; looks only. */
export function outlineOfflineSafetyCopy(order: OfflineSafetyCopy, options: OfflineOptions = {}): Promise<RestoreOutline> {
  return inDatabase(order, options, (session, request, job) => session.planSafetyCopy(request, job));
}

/** Puts back what was there before the restore, or drops what was kept for that. */
export function endOfflineSafetyCopy(order: OfflineSafetyCopy, options: OfflineOptions = {}): Promise<RestoreFacts> {
  return inDatabase(order, options, (session, request, job) => session.endSafetyCopy(request, job));
}

async function inDatabase<T>(
  { connection, database, ...order }: OfflineSafetyCopy,
  options: OfflineOptions,
  work: (session: ConnectorSession, request: SafetyCopyRequest, job: Job) => Promise<T>,
): Promise<T> {
  const run = newId('run');
  const whole = SafetyCopyOrder.safeParse({ ...order, of: run });
  if (!whole.success)
    throw new RahatError('invalid_input', `"${order.schema}" is no name of a safety copy`, {
      hint: 'They are schemas named rahat_undo_…; psql lists those of a database by \\dn+ rahat_undo_*',
    });
  const request = safetyCopyRequest({ order: whole.data, database, run, attempt: 1 });
  return withScratch(options, connection, async (execution) => {
    await using session = await (await connectorFor('postgresql')).open(connection, connectorContext(execution));
    return await work(session, request, jobOf(execution, { source: connection, repositories: [] }));
  });
}
