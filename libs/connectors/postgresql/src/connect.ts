import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { RahatError } from '@rahat/contracts';
import { connectError } from './errors.js';
import { loginPassword } from './login-password.js';
import { dialled, tlsOptions, type RoutedConnection } from './reach/index.js';

export interface ConnectOptions {
  database: string;
  /** application_name on the server. */
  label: string;
  signal: AbortSignal;
}

const CONNECT_TIMEOUT_MS = 15_000;
/** Where `runTool` puts the first secret file. */
const FIRST_SECRET_FD = 3;

/** A client that ends when it is disposed; its failure after connecting shows up in the query that meets it. */
export type DisposableClient = pg.Client & AsyncDisposable;

/**
 * Opens one session. `tls: prefer` tries TLS first, as libpq does. Aborting the signal breaks the connection, so that no
 * query outlives its job.
 */
export async function connectClient(connection: RoutedConnection, options: ConnectOptions): Promise<DisposableClient> {
  options.signal.throwIfAborted();
  const password = await loginPassword(connection, options.signal);
  const modes =
    connection.tls === 'prefer' ? (['encrypted', 'plain'] as const) : ([connection.tls === 'disable' ? 'plain' : 'encrypted'] as const);
  for (const mode of modes) {
    const client = new pg.Client({
      ...dialled(connection),
      user: connection.user,
      password,
      database: options.database,
      application_name: options.label.slice(0, 63),
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      keepAlive: true,
      ssl: mode === 'plain' ? false : tlsOptions(connection),
    });
    // Without a listener a broken idle connection would end the process.
    client.on('error', () => undefined);
    try {
      await connected(client, options.signal);
    } catch (error) {
      const ended = client.end().catch(() => undefined);
      options.signal.throwIfAborted();
      await ended;
      if (mode === 'encrypted' && modes.length === 2 && /does not support SSL/i.test(String(error))) continue;
      throw connectError(error, connection, options.database);
    }
    return disposable(client, options.signal);
  }
  throw new RahatError('source_unreachable', `No connection to ${connection.host}:${connection.port}`);
}

/** An abort ends the attempt at once, wherever it hangs: name service, handshake or login. */
async function connected(client: pg.Client, signal: AbortSignal): Promise<void> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const breakOff = (): void => {
    streamOf(client).destroy();
    reject(signal.reason);
  };
  signal.addEventListener('abort', breakOff, { once: true });
  try {
    await Promise.race([client.connect(), aborted]);
  } finally {
    signal.removeEventListener('abort', breakOff);
  }
}

function disposable(client: pg.Client, signal: AbortSignal): DisposableClient {
  const breakOff = (): void => {
    streamOf(client).destroy();
  };
  signal.addEventListener('abort', breakOff, { once: true });
  return Object.assign(client, {
    [Symbol.asyncDispose]: async () => {
      signal.removeEventListener('abort', breakOff);
      // A server that hangs must not hold up the run's end.
      const ended = client.end().catch(() => undefined);
      await Promise.race([ended, delay(2_000, undefined, { ref: false })]);
      streamOf(client).destroy();
    },
  });
}

/** The socket below node-postgres' client. */
export function streamOf(client: pg.Client): import('node:net').Socket {
  return (client as unknown as { connection: { stream: import('node:net').Socket } }).connection.stream;
}

export interface ToolConnection {
  env: Record<string, string>;
  secretFiles: string[];
  secrets: string[];
}

/**
 * What libpq's tools need to reach the server: names by environment, the password by a password file, certificates and keys by
 * `/dev/fd`, nothing in argv (engines.md §2). For one call, whose connections are opened at its start: a token in place of the
 * password gets old.
 */
export async function toolConnection(connection: RoutedConnection, label: string, signal: AbortSignal): Promise<ToolConnection> {
  const password = await loginPassword(connection, signal);
  if (/[\r\n\0]/.test(password)) {
    throw new RahatError('invalid_input', "The password holds a line break, which PostgreSQL's own tools can't be given", {
      hint: 'Set a password without line breaks for this user.',
    });
  }
  const secretFiles = [`*:*:*:*:${password.replaceAll(/[\\:]/g, '\\$&')}\n`];
  const env: Record<string, string> = {
    PGPASSFILE: '/dev/fd/3',
    PGHOST: connection.host,
    PGPORT: String(dialled(connection).port),
    PGUSER: connection.user,
    PGSSLMODE: connection.tls,
    PGAPPNAME: label.slice(0, 63),
    PGCONNECT_TIMEOUT: '15',
    // The texts of timestamptz and bytea values must not depend on settings of role or server: the row hash is taken from them.
    PGTZ: 'UTC',
    PGOPTIONS: '-c bytea_output=hex',
  };
  // The host's name stays what a certificate is compared with.
  if (connection.route) env.PGHOSTADDR = connection.route.host;
  const give = (name: string, content: string | undefined): void => {
    if (content !== undefined) env[name] = `/dev/fd/${FIRST_SECRET_FD - 1 + secretFiles.push(content)}`;
  };
  give('PGSSLROOTCERT', connection.tlsCa);
  give('PGSSLCERT', connection.tlsCertificate);
  give('PGSSLKEY', connection.tlsKey);
  return { env, secretFiles, secrets: [password, ...(connection.tlsKey === undefined ? [] : [connection.tlsKey])] };
}

/** A conninfo string that holds nothing but the name, whatever the name looks like. */
export function databaseConninfo(database: string): string {
  return `dbname='${database.replaceAll(/[\\']/g, '\\$&')}'`;
}
