import type { Connector, LogRecovery } from '@rahat/connector-kit';
import { RahatError, type PostgresqlConnection } from '@rahat/contracts';
import { decoder } from './decode/decoder.js';
import { checkLogicalContent } from './logical/check-content.js';
import { isLogical } from './logical/stored-dump.js';
import { testLogicalRestore } from './logical/test-restore.js';
import { checkBaseBackup, inspectServer, recoverServer, restoreBaseBackupToFolder, testRestoreBaseBackup } from './physical/index.js';
import { throughTunnel } from './reach/index.js';
import { openSession } from './session.js';
import { chooseSource } from './source/choose-source.js';

export const postgresqlConnector: Connector<PostgresqlConnection> = {
  engine: 'postgresql',
  decoder,
  open: async (connection, context) => {
    const { routed, close } = await throughTunnel(connection, context.signal);
    return { ...openSession(routed, context), [Symbol.asyncDispose]: close };
  },
  chooseSource,
  checkContent: (source, _context, job) => (isLogical(source) ? checkLogicalContent(source, job) : checkBaseBackup(source, job)),
  testRestore: async (source, context, job, assertions = [], recovery) => {
    if (!isLogical(source)) return testRestoreBaseBackup(source, context, job, assertions, recovery);
    refuseRecovery(recovery);
    return testLogicalRestore(source, context, job, assertions);
  },
  restoreToFolder: async (source, path, _context, job, recovery) => {
    if (!isLogical(source)) return restoreBaseBackupToFolder(source, path, job, recovery);
    refuseRecovery(recovery);
    throw new RahatError('invalid_input', 'A logical backup is restored into a database, not into a folder');
  },
  recoverServer: async (source, context, job, recovery) => {
    if (!isLogical(source)) return recoverServer(source, context, job, recovery);
    throw noServer();
  },
  inspectServer: async (source, place, context, job, recovery) => {
    if (!isLogical(source)) return inspectServer(source, place, context, job, recovery);
    throw noServer();
  },
};

function noServer(): RahatError {
  return new RahatError('invalid_input', 'A logical backup holds one database and no server: restore it as it is');
}

function refuseRecovery(recovery: LogRecovery | undefined): void {
  if (recovery === undefined) return;
  throw new RahatError('invalid_input', 'A logical backup holds one moment only; there is no log that goes on from it', {
    hint: 'To restore to a point in time, take a physical backup of the server.',
  });
}
