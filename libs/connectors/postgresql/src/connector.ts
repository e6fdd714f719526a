import type { Connector } from '@rahat/connector-kit';
import { RahatError, type PostgresqlConnection } from '@rahat/contracts';
import { checkLogicalContent } from './logical/check-content.js';
import { isLogical } from './logical/stored-dump.js';
import { testLogicalRestore } from './logical/test-restore.js';
import { checkBaseBackup, restoreBaseBackupToFolder, testRestoreBaseBackup } from './physical/index.js';
import { throughTunnel } from './reach/index.js';
import { openSession } from './session.js';

export const postgresqlConnector: Connector<PostgresqlConnection> = {
  engine: 'postgresql',
  open: async (connection, context) => {
    const { routed, close } = await throughTunnel(connection, context.signal);
    return { ...openSession(routed, context), [Symbol.asyncDispose]: close };
  },
  checkContent: (source, _context, job) => (isLogical(source) ? checkLogicalContent(source, job) : checkBaseBackup(source, job)),
  testRestore: (source, context, job, assertions = []) =>
    isLogical(source) ? testLogicalRestore(source, context, job, assertions) : testRestoreBaseBackup(source, context, job, assertions),
  restoreToFolder: async (source, path, _context, job) => {
    if (isLogical(source)) throw new RahatError('invalid_input', 'A logical backup is restored into a database, not into a folder');
    return restoreBaseBackupToFolder(source, path, job);
  },
};
