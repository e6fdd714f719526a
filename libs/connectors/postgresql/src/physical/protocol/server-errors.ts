import { type PostgresqlConnection, RahatError } from '@rahat/contracts';
import type { ServerNotice } from './messages.js';

/** What the server refused, in the product's words, with the line that cures it; its own words are the cause. */
export function serverError(notice: ServerNotice, connection: PostgresqlConnection): RahatError {
  const { code, message, hint, retryable } = explained(notice, connection);
  return new RahatError(code, message, { hint, retryable, cause: notice });
}

/** What the server itself said, where an error comes from it. */
export function serverNotice(error: unknown): ServerNotice | undefined {
  const cause = error instanceof RahatError ? error.cause : undefined;
  return typeof cause === 'object' && cause !== null && 'code' in cause && 'message' in cause && !(cause instanceof Error)
    ? (cause as ServerNotice)
    : undefined;
}

function explained({ code, message }: ServerNotice, connection: PostgresqlConnection): RahatError {
  const role = `"${connection.user.replaceAll('"', '""')}"`;
  const told = `${message} (SQLSTATE ${code})`;
  if (code === '28P01') return new RahatError('source_authentication_failed', `The server refused the login of ${role}: ${told}`);
  if (code === '28000' && /pg_hba/.test(message)) {
    return new RahatError('source_permission_denied', `The server does not let ${role} in for replication: ${told}`, {
      hint: `Add to the server's pg_hba.conf, then reload it: host replication ${role} <address of the worker>/32 scram-sha-256`,
    });
  }
  if (code === '28000') return new RahatError('source_authentication_failed', `The server refused the login of ${role}: ${told}`);
  if (code === '42501') {
    return new RahatError('source_permission_denied', `${role} may not replicate: ${told}`, {
      hint: `Grant it on the server: ALTER ROLE ${role} REPLICATION;`,
    });
  }
  if (code === '55000' && /wal_level/i.test(message)) {
    return new RahatError('source_unsupported', `The server keeps too little log for a physical backup: ${told}`, {
      hint: 'Set wal_level = replica in postgresql.conf and restart the server.',
    });
  }
  if (code === '58P01' && /WAL/.test(message)) {
    return new RahatError('source_lost', `The server removed log that the backup needs: ${told}`, {
      hint: 'Raise wal_keep_size, or free a replication slot (max_replication_slots), so that the log is kept while the backup runs.',
    });
  }
  if (code === '53300' || (code === '55000' && /max_wal_senders|slots/.test(message))) {
    return new RahatError('source_unreachable', `The server has no free connection for replication: ${told}`, {
      hint: 'Raise max_wal_senders, or end an unused replication client.',
    });
  }
  if (code === 'XX001') {
    return new RahatError('dump_invalid', `The server found damaged pages in its own files: ${told}`, {
      hint: "The source's files are damaged; its log names them. Keep your older backups, and check the server's disks now.",
    });
  }
  // Classes 53 resources, 57 operator intervention, 58 system error: the server's state, not our request.
  if (/^5[378]/.test(code)) return new RahatError('source_lost', `The server gave up: ${told}`);
  return new RahatError('source_unsupported', `The server refused the replication command: ${told}`, {
    hint: 'Servers of PostgreSQL 13 and newer are supported, reached directly: a pooler such as PgBouncer cannot pass replication.',
  });
}
