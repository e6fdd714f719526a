import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { appendFileSync, chownSync, mkdtempSync, openSync, closeSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { freePort } from './free-port.js';
import { postgresqlBinaries, type PostgresqlMajor } from './postgresql-binaries.js';
import { childrenOf, killIfAlive } from './process-children.js';
import { runCommand, startServerProcess, unprivilegedUser } from './unprivileged-process.js';

export interface PostgresqlOptions {
  major: PostgresqlMajor;
  /** Lines of postgresql.conf, e.g. `{ wal_level: 'logical' }`; they win over the quick defaults. */
  settings?: Record<string, string>;
  /** Makes it a streaming copy of this server, with its users; by pg_basebackup, which Debian's 15 has. */
  standbyOf?: PostgresqlServer;
  /** Starts on a data folder that was restored, with the users of the server it came from. The folder goes with the server. */
  restored?: { folder: string; password: string };
}

/** smart waits for clients, fast ends them, immediate is a crash. */
export type StopMode = 'smart' | 'fast' | 'immediate';

export interface PostgresqlServer extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly major: PostgresqlMajor;
  readonly dataFolder: string;
  readonly pid: number;
  connectionString(database?: string): string;
  /** A connection of one's own; the caller ends it. */
  connect(database?: string): Promise<pg.Client>;
  query<Row extends pg.QueryResultRow = Record<string, unknown>>(sql: string, parameters?: unknown[], database?: string): Promise<Row[]>;
  /** The data folder stays; `restart` brings the server back on the same port. */
  stop(mode?: StopMode): Promise<void>;
  restart(): Promise<void>;
  /** SIGKILL to the server and all its processes, as a power cut for it. */
  kill9(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
  /** What the server logged so far. */
  log(): string;
}

const USER = 'postgres';
const START_DEADLINE_MS = 30_000;
const SIGNALS: Record<StopMode, NodeJS.Signals> = { smart: 'SIGTERM', fast: 'SIGINT', immediate: 'SIGQUIT' };
// Throwaway data: durability is given up for speed.
const QUICK_SETTINGS = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  shared_buffers: '32MB',
  max_wal_size: '256MB',
  max_connections: '200',
  unix_socket_directories: "''",
  listen_addresses: "'127.0.0.1'",
  log_line_prefix: "'%m [%p] %d '",
};

/** Starts a real, empty PostgreSQL on a free port of 127.0.0.1; disposing stops it and removes its data. */
export async function startPostgresql(options: PostgresqlOptions): Promise<PostgresqlServer> {
  const binaries = postgresqlBinaries(options.major);
  const user = unprivilegedUser();
  const password = options.standbyOf?.password ?? options.restored?.password ?? randomBytes(18).toString('base64url');
  const home = mkdtempSync(path.join(tmpdir(), `rahat-postgresql-${options.major}-`));
  const dataFolder = options.restored?.folder ?? path.join(home, 'data');
  const logFile = path.join(home, 'log');
  const passwordFile = path.join(home, 'password');
  writeFileSync(passwordFile, password, { mode: 0o600 });
  if (user) for (const file of [home, passwordFile]) chownSync(file, user.uid, user.gid);
  let server: ChildProcess | undefined;
  let port = 0;

  try {
    if (options.standbyOf) copyOf(options.standbyOf);
    else if (options.restored) takeOver();
    else initialize();
    await startOnFreePort();
  } catch (error) {
    rmSync(home, { recursive: true, force: true });
    throw error;
  }

  function copyOf(primary: PostgresqlServer): void {
    // What it writes for the standby is appended to the primary's settings.
    runCommand(
      path.join(binaries, 'pg_basebackup'),
      ['-D', dataFolder, '-d', primary.connectionString(), '--write-recovery-conf', '--checkpoint=fast', '--no-sync'],
      { cwd: home, as: user },
    );
    appendFileSync(path.join(dataFolder, 'postgresql.auto.conf'), settingsFile(options.settings ?? {}));
  }

  /** Whoever restored it, it becomes the server's own. */
  function takeOver(): void {
    if (user) runCommand('chown', ['-R', `${user.uid}:${user.gid}`, dataFolder], { cwd: home });
    appendFileSync(path.join(dataFolder, 'postgresql.auto.conf'), settingsFile(options.settings ?? {}));
  }

  function initialize(): void {
    runCommand(
      path.join(binaries, 'initdb'),
      [
        '-D',
        dataFolder,
        '-U',
        USER,
        `--pwfile=${passwordFile}`,
        '--auth=scram-sha-256',
        '--encoding=UTF8',
        '--locale=C.UTF-8',
        '--no-sync',
      ],
      { cwd: home, as: user },
    );
    writeFileSync(path.join(dataFolder, 'postgresql.auto.conf'), settingsFile({ ...QUICK_SETTINGS, ...options.settings }));
  }

  async function startOnFreePort(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      port = await freePort();
      try {
        return await start();
      } catch (error) {
        // Someone else may have taken the port between the look and the bind.
        if (attempt === 5 || !readFileSync(logFile, 'utf8').includes('Address already in use')) throw error;
      }
    }
  }

  async function start(): Promise<void> {
    const log = openSync(logFile, 'a');
    server = startServerProcess(path.join(binaries, 'postgres'), ['-D', dataFolder, '-p', String(port)], {
      cwd: home,
      stdio: ['ignore', log, log],
      as: user,
    });
    closeSync(log);
    const started = server;
    const deadline = Date.now() + START_DEADLINE_MS;
    let lastError: unknown;
    while (Date.now() < deadline) {
      if (started.exitCode !== null || started.signalCode !== null) break;
      try {
        await withClient('postgres', (client) => client.query('select 1'));
        return;
      } catch (error) {
        lastError = error;
        await sleep(25);
      }
    }
    started.kill('SIGKILL');
    throw new Error(`PostgreSQL ${options.major} did not start:\n${readFileSync(logFile, 'utf8')}`, { cause: lastError });
  }

  async function connect(database = 'postgres'): Promise<pg.Client> {
    const client = new pg.Client({ host: '127.0.0.1', port, user: USER, password, database });
    // A server that is stopped in mid-test ends its connections; the query reports that, the idle client need not.
    client.on('error', () => undefined);
    await client.connect();
    return client;
  }

  async function withClient<T>(database: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
    const client = await connect(database);
    try {
      return await work(client);
    } finally {
      await client.end().catch(() => undefined);
    }
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    const running = server;
    server = undefined;
    if (!running || running.exitCode !== null || running.signalCode !== null) return;
    const children = signal === 'SIGKILL' ? childrenOf(running.pid!) : [];
    const exited = new Promise<void>((resolve) => running.once('exit', () => resolve()));
    running.kill(signal);
    for (const child of children) killIfAlive(child);
    await exited;
  }

  return {
    host: '127.0.0.1',
    get port() {
      return port;
    },
    user: USER,
    password,
    major: options.major,
    dataFolder,
    get pid() {
      return server?.pid ?? 0;
    },
    connectionString: (database = 'postgres') =>
      `postgresql://${USER}:${encodeURIComponent(password)}@127.0.0.1:${port}/${encodeURIComponent(database)}`,
    connect,
    query: async <Row extends pg.QueryResultRow>(sql: string, parameters?: unknown[], database = 'postgres') =>
      withClient(database, async (client) => (await client.query<Row>(sql, parameters)).rows),
    stop: (mode = 'fast') => end(SIGNALS[mode]),
    restart: async () => {
      await end('SIGINT');
      await start();
    },
    kill9: () => end('SIGKILL'),
    log: () => readFileSync(logFile, 'utf8'),
    [Symbol.asyncDispose]: async () => {
      await end('SIGQUIT');
      for (const folder of [home, dataFolder]) rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

function settingsFile(settings: Record<string, string>): string {
  return Object.entries(settings)
    .map(([name, value]) => `${name} = ${value.startsWith("'") ? value : `'${value.replaceAll("'", "''")}'`}\n`)
    .join('');
}
