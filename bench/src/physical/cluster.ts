import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, chmod, chown, mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { RahatError, type PostgresqlConnection } from '@rahat/contracts';
import { findPgClients, startPostgresql, unprivilegedUser, type PostgresqlMajor, type PostgresqlServer } from '@rahat/test-servers';
import { copyTables } from '../repository/copy-text.js';

/** Of the sample tables. */
export const DATABASE = 'shop';
const SEED = 20_261_128;
const LOOK_MS = 25;
/** Rows take more room on pages than as text, and their indexes are not in the text at all. */
const TEXT_SHARE = 0.78;
const TABLES = {
  accounts:
    'id int PRIMARY KEY, branch int, balance numeric(12,2), email text, name text, seen_at bigint, state text, rate double precision',
  events: 'id bigint PRIMARY KEY, at timestamptz, account int, email text, state text, amount numeric(12,2), note text, detail jsonb',
};
type Table = keyof typeof TABLES;

/** What a table's rows are altogether: their number, and a sum of their hashes. */
export type TableSums = Record<Table, { rows: string; hash: string }>;

/** `recent`: the newest 2 % of each table. `scattered`: 2 % anywhere, as pgbench picks them. */
export type RowChange = 'recent' | 'scattered';

/** A PostgreSQL of sample tables, reached by a Unix socket, and a folder for those who back it up. Both go with it. */
export interface SampleCluster extends AsyncDisposable {
  server: PostgresqlServer;
  connection: PostgresqlConnection;
  /** Whom the server runs as, and who may therefore read its files. */
  user: { uid: number; gid: number } | undefined;
  scratch: string;
  socketFolder: string;
  change(how: RowChange): Promise<void>;
  /** Back to what it was before the first change: rows that were changed once leave room on all pages, where the next ones go. */
  reset(): Promise<void>;
  sums(server?: PostgresqlServer): Promise<TableSums>;
  sizeBytes(): Promise<number>;
  /** Nobody's backup has to write what others changed. */
  settle(): Promise<void>;
  /** Absent: what the server logs is archived nowhere. */
  archiveWith(command?: string): Promise<void>;
}

export async function startSampleCluster(
  major: PostgresqlMajor,
  sizeMb: number,
  settings: Record<string, string> = {},
): Promise<SampleCluster> {
  const user = unprivilegedUser();
  const scratch = await mkdtemp(path.join(os.tmpdir(), 'rahat-bench-physical-'));
  // The server's user comes through here to what is its own.
  await chmod(scratch, 0o755);
  const socketFolder = path.join(scratch, 'socket');
  await mkdir(socketFolder);
  if (user) await chown(socketFolder, user.uid, user.gid);
  const server = await startPostgresql({
    major,
    settings: {
      unix_socket_directories: socketFolder,
      full_page_writes: 'on',
      wal_level: 'replica',
      shared_buffers: '256MB',
      max_wal_size: '8GB',
      checkpoint_timeout: '1h',
      // Else VACUUM leaves pages to be marked later, by whoever reads them.
      synchronous_commit: 'on',
      // It would be at work beside some of the backups.
      autovacuum: 'off',
      archive_mode: 'on',
      archive_command: 'true',
      ...settings,
    },
  });
  const { port, user: name, password } = server;
  const cluster: SampleCluster = {
    server,
    connection: { host: socketFolder, port, user: name, password, maintenanceDatabase: 'postgres', tls: 'disable' },
    user,
    scratch,
    socketFolder,
    change: async (how) => {
      for (const statement of changeStatements(how)) await server.query(statement, [], DATABASE);
      await cluster.settle();
    },
    reset: async () => {
      await server.stop();
      await rm(server.dataFolder, { recursive: true });
      await copyFolder(path.join(scratch, 'pristine'), server.dataFolder);
      await server.restart();
    },
    sums: (asked = server) => sumsOf(asked),
    sizeBytes: async () => {
      const [row] = await server.query<{ bytes: string }>('SELECT sum(pg_database_size(oid))::text AS bytes FROM pg_database');
      return Number(row!.bytes);
    },
    settle: async () => {
      await server.query('VACUUM', [], DATABASE);
      await server.query('CHECKPOINT');
    },
    archiveWith: (command = 'true') => archiveWith(server, command),
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await rm(scratch, { recursive: true, force: true });
    },
  };
  try {
    await fill(server, socketFolder, sizeMb);
    await cluster.settle();
    await server.stop();
    await copyFolder(server.dataFolder, path.join(scratch, 'pristine'));
    await server.restart();
    return cluster;
  } catch (error) {
    await cluster[Symbol.asyncDispose]();
    throw error;
  }
}

/** When the replay of its log is over; gives the seconds since `began`. */
export async function recovered(server: PostgresqlServer, began: number): Promise<number> {
  for (;;) {
    const [row] = await server.query<{ busy: boolean }>('SELECT pg_is_in_recovery() AS busy');
    if (row?.busy === false) return (performance.now() - began) / 1000;
    await sleep(LOOK_MS);
  }
}

async function fill(server: PostgresqlServer, socketFolder: string, sizeMb: number): Promise<void> {
  const psql = findPgClients(15)?.psql;
  if (!psql) throw new RahatError('tool_missing', 'The sample tables are filled by psql 15.', { hint: 'apt-get install postgresql' });
  await server.query(`CREATE DATABASE ${DATABASE}`);
  const rows = copyTables(sizeMb * 1e6 * TEXT_SHARE, SEED, 1);
  for (const table of Object.keys(TABLES) as Table[]) {
    await server.query(`CREATE TABLE ${table} (${TABLES[table]})`, [], DATABASE);
    const args = [
      '-X',
      '-q',
      '-h',
      socketFolder,
      '-p',
      String(server.port),
      '-U',
      server.user,
      '-d',
      DATABASE,
      '-c',
      `COPY ${table} FROM STDIN`,
    ];
    // The password is one of a throwaway server made for the measurement.
    const child = spawn(psql, args, { stdio: ['pipe', 'ignore', 'inherit'], env: { ...process.env, PGPASSWORD: server.password } });
    const closed = once(child, 'close') as Promise<[number | null]>;
    await pipeline(Readable.from(rows[table]), child.stdin);
    const [code] = await closed;
    if (code !== 0) throw new RahatError('tool_failed', `psql ended with ${code} when it filled ${table}`);
  }
  await server.query('CREATE INDEX ON events (account)', [], DATABASE);
}

function changeStatements(how: RowChange): string[] {
  const changes: Record<Table, string> = { accounts: 'balance = balance + 1', events: `state = 'changed', amount = amount + 1` };
  return (Object.keys(TABLES) as Table[]).map((table) => {
    const which = how === 'recent' ? `id > (SELECT max(id) * 0.98 FROM ${table})` : 'random() < 0.02';
    return `UPDATE ${table} SET ${changes[table]} WHERE ${which}`;
  });
}

async function copyFolder(from: string, to: string): Promise<void> {
  await promisify(execFile)('cp', ['-a', '--reflink=auto', from, to]);
}

async function archiveWith(server: PostgresqlServer, command: string): Promise<void> {
  await server.query(`ALTER SYSTEM SET archive_command = '${command.replaceAll("'", "''")}'`);
  await server.query('SELECT pg_reload_conf()');
  for (;;) {
    const [row] = await server.query<{ archive_command: string }>('SHOW archive_command');
    if (row?.archive_command === command) return;
    await sleep(LOOK_MS);
  }
}

async function sumsOf(server: PostgresqlServer): Promise<TableSums> {
  const sums: Partial<TableSums> = {};
  for (const table of Object.keys(TABLES) as Table[]) {
    const [row] = await server.query<{ rows: string; hash: string }>(
      `SELECT count(*)::text AS rows, sum(hashtextextended(t::text, 0)::numeric)::text AS hash FROM ${table} t`,
      [],
      DATABASE,
    );
    sums[table] = row!;
  }
  return sums as TableSums;
}
