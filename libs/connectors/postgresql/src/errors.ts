import { RahatError, type PostgresqlConnection } from '@rahat/contracts';
import { refusedLogin } from './refused-login.js';

const LOST_STATES = new Set(['57P01', '57P02', '57P03', '08006', '08003', '08001']);
// The last two: a statement is written in the moment in which the server's end was heard.
const LOST_SOCKETS = new Set(['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ERR_STREAM_DESTROYED', 'ERR_STREAM_WRITE_AFTER_END']);
const UNREACHABLE_SOCKETS = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ETIMEDOUT',
  'ENOENT',
  'EACCES',
]);

function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';
}

function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(messageOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}

/** What went wrong while a connection was made. */
export function connectError(error: unknown, connection: PostgresqlConnection, database: string): RahatError {
  if (error instanceof RahatError) return error;
  const place = `${connection.host}:${connection.port}`;
  const [code, message] = [codeOf(error), messageOf(error)];
  if (code === '28P01' || code === '28000') return refusedLogin(connection, { code, message }, error);
  if (code === '3D000') return new RahatError('database_not_found', `There is no database '${database}' at ${place}`, { cause: error });
  if (lacksRight(error))
    return new RahatError('source_permission_denied', `'${connection.user}' may not connect to database '${database}' at ${place}`, {
      cause: error,
      hint: `GRANT CONNECT ON DATABASE ${quoteIdentifier(database)} TO ${quoteIdentifier(connection.user)};`,
    });
  if (code === '53300')
    return new RahatError('source_unreachable', `PostgreSQL at ${place} has no connection left: ${message}`, {
      cause: error,
      hint: 'Raise max_connections or the connection limit of the role.',
    });
  if (/SSL|TLS|certificate/i.test(message))
    return new RahatError('source_unreachable', `No TLS connection to ${place}: ${message}`, {
      cause: error,
      // A server that dies in the handshake also breaks the connection.
      retryable: isConnectionLoss(error),
      hint: 'Check the TLS mode and the certificate authority of the server.',
    });
  if (UNREACHABLE_SOCKETS.has(code) || LOST_STATES.has(code) || error instanceof AggregateError || /timeout|terminated/i.test(message)) {
    return new RahatError('source_unreachable', `PostgreSQL at ${place} can't be reached: ${message}`, {
      cause: error,
      hint: 'Check that the server runs, listens on this address (listen_addresses), and that no firewall is between.',
    });
  }
  return new RahatError('source_unreachable', `PostgreSQL at ${place} refused the connection: ${message}`, { cause: error });
}

/** What went wrong in a query on a connection that stood. */
export function queryError(error: unknown, doing: string): RahatError {
  if (error instanceof RahatError) return error;
  const message = messageOf(error);
  if (isConnectionLoss(error)) {
    return new RahatError('source_lost', `The connection to PostgreSQL broke while ${doing}: ${message}`, {
      cause: error,
      hint: 'Look at the log of the database server for the same moment; the next run starts anew.',
    });
  }
  if (lacksRight(error))
    return new RahatError('source_permission_denied', `A right is missing for ${doing}: ${message}`, {
      cause: error,
      hint: 'The preflight of this server names the rights and the SQL that grants them.',
    });
  return new RahatError('internal', `${doing}: ${message}`, { cause: error });
}

/** The server refused it to this user (SQLSTATE insufficient_privilege). */
export function lacksRight(error: unknown): boolean {
  return codeOf(error) === '42501';
}

export function isConnectionLoss(error: unknown): boolean {
  const code = codeOf(error);
  return LOST_STATES.has(code) || LOST_SOCKETS.has(code) || /Connection terminated|not queryable|connection error/i.test(messageOf(error));
}

/** libpq's words for a server that is gone; what pg_dump and pg_restore print then. */
export function saysConnectionLost(text: string): boolean {
  return /server closed the connection unexpectedly|terminating connection|connection to server (was lost|at .* failed)|the database system is (shutting down|starting up|in recovery)|could not (receive data from|send data to) server|no connection to the server|SSL connection has been closed/i.test(
    text,
  );
}

export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

export function quoteLiteral(text: string): string {
  const quoted = `'${text.replaceAll("'", "''")}'`;
  return text.includes('\\') ? ` E${quoted.replaceAll('\\', '\\\\')}` : quoted;
}
