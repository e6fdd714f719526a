import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { freePort, type PostgresqlServer } from '@rahat/test-servers';
import pg from 'pg';

const BINARIES = '/usr/lib/postgresql/15/bin';
const LIMIT_MS = 60_000;

export interface RestoredServer extends AsyncDisposable {
  query<Row>(sql: string, database?: string): Promise<Row[]>;
}

/** Starts Debian's PostgreSQL on a folder that a restore made, as whoever restored by hand would; it is there when recovery is over. */
export async function startRestored(folder: string, source: PostgresqlServer): Promise<RestoredServer> {
  const account = process.getuid?.() === 0 ? await accountOf('postgres') : undefined;
  if (account) await promisify(execFile)('chown', ['-R', `${account.uid}:${account.gid}`, folder]);
  const port = await freePort();
  const log = path.join(folder, 'e2e.log');
  const server = spawn(
    'sh',
    [
      '-c',
      'exec "$0" "$@" > e2e.log 2>&1',
      path.join(BINARIES, 'postgres'),
      '-D',
      folder,
      '-p',
      String(port),
      '-c',
      'listen_addresses=127.0.0.1',
      '-c',
      'unix_socket_directories=',
      '-c',
      'logging_collector=off',
    ],
    { cwd: folder, stdio: 'ignore', ...account },
  );
  const ended = once(server, 'exit');
  const stop = async () => {
    server.kill('SIGQUIT');
    await ended;
  };
  const query = async <Row>(sql: string, database = 'postgres'): Promise<Row[]> => {
    const client = new pg.Client({ host: '127.0.0.1', port, user: source.user, password: source.password, database });
    client.on('error', () => undefined);
    await client.connect();
    try {
      return (await client.query(sql)).rows as Row[];
    } finally {
      await client.end();
    }
  };
  for (const deadline = Date.now() + LIMIT_MS; ; await sleep(100)) {
    try {
      const [row] = await query<{ recovering: boolean }>('SELECT pg_is_in_recovery() AS recovering');
      if (!row!.recovering) return { query, [Symbol.asyncDispose]: stop };
    } catch (error) {
      if (server.exitCode === null && Date.now() < deadline) continue;
      await stop();
      throw new Error(`The restored server did not start:\n${await readFile(log, 'utf8')}`, { cause: error });
    }
  }
}

async function accountOf(user: string): Promise<{ uid: number; gid: number }> {
  const id = async (flag: string) => Number((await promisify(execFile)('id', [flag, user])).stdout);
  return { uid: await id('-u'), gid: await id('-g') };
}
