import type { ArtifactSource, BackupRequest, ConnectorContext, ConnectorSession, RestoreRequest } from '@rahat/connector-kit';
import { RahatError } from '@rahat/contracts';
import { connectClient } from './connect.js';
import { discoverDatabases } from './discover.js';
import { queryError } from './errors.js';
import { backupLogically } from './logical/logical-backup.js';
import { planLogicalRestore, restoreLogically } from './logical/logical-restore.js';
import { isLogical } from './logical/stored-dump.js';
import { mergeOrder } from './merge/merge-order.js';
import { restoreIntoLive } from './merge/merge-restore.js';
import { planMerge } from './merge/plan-merge.js';
import { endSafetyCopy, planUndo } from './merge/undo-restore.js';
import { takeBaseBackup } from './physical/index.js';
import { makeBackupUser } from './backup-user/make-backup-user.js';
import { removeBackupUser } from './backup-user/remove-backup-user.js';
import { preflight } from './preflight/backup-preflight.js';
import { probe } from './preflight/probe.js';
import { preflightReport } from './preflight/report.js';
import { withinLimits } from './source/within-limits.js';
import type { RoutedConnection } from './reach/index.js';
import { dropSlot, followFindings, followLog, pushFindings, takePushed } from './wal/index.js';

/** Each call makes its own connections and ends them; nothing is held between calls. */
export function openSession(connection: RoutedConnection, context: ConnectorContext): Omit<ConnectorSession, typeof Symbol.asyncDispose> {
  return {
    probe: () => probe(connection, context),
    discover: async () => {
      await using client = await connectClient(connection, {
        database: connection.maintenanceDatabase,
        label: 'rahat-discovery',
        signal: context.signal,
      });
      return await discoverDatabases(client).catch((error: unknown) => {
        throw queryError(error, 'listing the databases');
      });
    },
    preflight: (request) => preflight(connection, request, context),
    report: (request) => preflightReport(connection, request, context),
    makeBackupUser: (request) => makeBackupUser(connection, request, context),
    removeBackupUser: (name, mark) => removeBackupUser(connection, name, mark, context.signal),
    backup: (request, sink, job) =>
      withinLimits(connection, request, job, (paced) =>
        request.method === 'postgresql.physical'
          ? takeBaseBackup(connection, request, sink, paced)
          : backupLogically(connection, withDatabase(request), sink, context, paced),
      ),
    planRestore: async (request, source, job) => {
      assertDatabaseRestore(request, source);
      const order = await mergeOrder(connection, request, source);
      if (order) return planMerge(order, job);
      return planLogicalRestore(connection, request, source, job);
    },
    restore: async (request, source, job) => {
      assertDatabaseRestore(request, source);
      const order = await mergeOrder(connection, request, source);
      if (order) return restoreIntoLive(order, source, job);
      return restoreLogically(connection, request, source, context, job);
    },
    planSafetyCopy: (request, job) => planUndo(connection, request, job),
    endSafetyCopy: (request, job) => endSafetyCopy(connection, request, job),
    preflightFollow: (way) => (way === 'push' ? pushFindings : followFindings)(connection, context.signal),
    follow: (request, sink, job) => followLog(connection, request, sink, job),
    takePushed: (request, segments, sink, job) => takePushed(connection, request, segments, sink, job),
    dropSlot: (slot) => dropSlot(connection, slot, context.signal),
  };
}

function withDatabase(request: BackupRequest): BackupRequest & { database: string } {
  if (request.database === undefined || request.database === '')
    throw new RahatError('invalid_input', 'A logical backup needs the name of a database');
  return { ...request, database: request.database };
}

function assertDatabaseRestore(request: RestoreRequest, source: ArtifactSource): void {
  if (isLogical(source) && request.target.kind === 'database') return;
  throw new RahatError(
    'invalid_input',
    isLogical(source)
      ? 'A logical backup is restored into a database, not into a folder'
      : 'A physical backup is restored into a folder, not into a running server',
    {
      hint: isLogical(source)
        ? 'Name a database as target.'
        : 'Name an empty folder as target, and start a server on it; or say which of its databases is wanted.',
    },
  );
}
