import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { openBlobStore } from '@rahat/blob-store-registry';
import { type FollowEvidence, lsnOf, newId, type RunSecrets } from '@rahat/contracts';
import { executeRun } from '@rahat/execution';
import { createRepository, grantCredential } from '@rahat/repository';
import { startPostgresql, type PostgresqlServer } from '@rahat/test-servers';
import pg from 'pg';
import { COMMAND, rahatBackup } from './cli.js';
import { startRestored } from './restored-server.js';
import { until } from './until.js';

const PASSPHRASE = 'correct horse battery';
const head = () => ({
  ...{ version: 1 as const, run: newId('run'), attempt: 1, organization: 'org_1', engine: 'postgresql' as const },
  ...{ server: { id: 'server_1', name: 'bank' }, deadline: new Date(Date.now() + 3_600_000).toISOString(), noProgressSeconds: 900 },
  ...{ sealedSecrets: '', repository: 'repository_1' },
});

interface Waiting {
  state: 'waiting' | 'promoted' | 'removed';
  connection: { host: string; port: number; user: string };
  recovery: { reachedLsn: string; timeline: number };
}

/** Only a storage and its passphrase: no platform is anywhere. */
describe('a backup as a server to look at, by the command line', () => {
  let source: PostgresqlServer;
  let folder: string;
  let storage: string;
  /** After the first, second and third transfer. */
  const moments: string[] = [];
  /** The system's temporary folder, as far as the command knows. */
  let temporary: string;
  let environment: NodeJS.ProcessEnv;
  let target: string;

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'rahat-inspect-'));
    await chmod(folder, 0o711);
    storage = path.join(folder, 'storage');
    source = await startPostgresql({ major: 15, settings: { full_page_writes: 'on', wal_level: 'replica' } });
    await source.query('CREATE TABLE transfers (id int)');
    const place = { driver: 'local' as const, path: storage };
    const repository = await createRepository(await openBlobStore(place, ''), { passphrase: PASSPHRASE });
    const credential = grantCredential('write-only', repository.id, repository.exportSecrets());
    const { host, port, user, password } = source;
    const secrets: RunSecrets = {
      source: { host, port, user, password, maintenanceDatabase: 'postgres', tls: 'prefer' },
      repositories: [{ repositoryId: 'repository_1', storage: place, prefix: '', credential }],
    };
    const scratchFolder = path.join(folder, 'runs');
    await mkdir(scratchFolder);
    const stopping = new AbortController();
    let committed = '0/0';
    const options = {
      ...{ onProgress: () => undefined, onLog: () => undefined, toolFolders: [], scratchFolder, workerName: 'worker' },
      onLogCommitted: ({ range }: { range: { end: string } }) => (committed = range.end),
    };
    const stream = 'stream_0199aaaa-bbbb-7ccc-8ddd-eeeeeeeeeeee';
    const following = executeRun(
      { ...head(), type: 'follow', stream, slot: 'rhb_look', commitSeconds: 0.2, heartbeatSeconds: 0 },
      secrets,
      {
        ...options,
        signal: stopping.signal,
      },
    ) as Promise<FollowEvidence>;
    following.catch(() => undefined);
    const snapshot = randomBytes(16).toString('hex');
    await executeRun({ ...head(), type: 'backup', method: 'postgresql.physical', snapshot, deep: false }, secrets, {
      ...options,
      signal: new AbortController().signal,
    });
    for (let id = 1; id <= 3; id++) {
      await source.query(`INSERT INTO transfers VALUES (${id})`);
      await sleep(30);
      moments.push(new Date().toISOString());
      await sleep(30);
    }
    await source.query('INSERT INTO transfers VALUES (4)');
    const [row] = await source.query<{ position: string }>('SELECT pg_current_wal_insert_lsn()::text AS position');
    await until('the log', async () => (lsnOf(committed) >= lsnOf(row!.position) ? true : undefined));
    stopping.abort();
    await following;
  }, 120_000);
  afterAll(async () => {
    await source?.stop();
    await rm(folder, { recursive: true, force: true });
  });
  beforeEach(async () => {
    temporary = await mkdtemp(path.join(folder, 't-'));
    await chmod(temporary, 0o711);
    target = path.join(temporary, 'looked-at');
    environment = { RAHAT_PASSPHRASE: PASSPHRASE, HOME: folder, TMPDIR: temporary, PATH: process.env['PATH'] };
  });

  /** The command as it runs in a terminal: what it says, and what is typed. */
  function inspect(...args: string[]) {
    const command = ['repository', 'inspect', '--path', storage, '--folder', target, '--json', ...args];
    const child = spawn(process.execPath, [COMMAND, ...command], { env: environment, stdio: ['pipe', 'pipe', 'pipe'] });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    let said = '';
    child.stderr.on('data', (bytes) => (said += String(bytes)));
    const next = async () => {
      const { value } = (await lines.next()) as { value?: string };
      if (value === undefined) throw new Error(`It said no more:\n${said}`);
      return (JSON.parse(value) as { data: Waiting }).data;
    };
    const ended = once(child, 'exit') as Promise<[number | null, string | null]>;
    return { child, next, ended, type: (line: string) => child.stdin.write(`${line}\n`), said: () => said };
  }

  async function transfers({ connection: { host, port, user } }: Waiting): Promise<number> {
    const client = new pg.Client({ host, port, user, database: 'postgres' });
    client.on('error', () => undefined);
    await client.connect();
    try {
      return (await client.query<{ n: number }>('SELECT count(*)::int AS n FROM transfers')).rows[0]!.n;
    } finally {
      await client.end();
    }
  }

  async function processesOn(place: string): Promise<string[]> {
    const found: string[] = [];
    for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
      const argv = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
      if (argv.includes(place)) found.push(argv.replaceAll('\0', ' '));
    }
    return found;
  }
  const kill9 = async (child: ChildProcess) => {
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  };
  const untilNoProcess = () =>
    until('all processes to end', async () => ((await processesOn(temporary)).length === 0 ? true : undefined), 20_000);
  /** Any command that opens a backup. */
  const nextCommand = () => rahatBackup(['repository', 'browse', '--path', storage], environment);

  it('can be read at a moment, goes on to later ones, and is gone with Ctrl+C', async () => {
    const { next, type, child, ended, said } = inspect('--to-time', moments[0]!);
    expect(await transfers(await next())).toBe(1);
    type('to-time 2020-01-01T00:00:00Z');
    type('to-time yesterday');
    type('promote at once');
    type(`to-time ${moments[1]}`);
    const second = await next();
    expect(await transfers(second)).toBe(2);
    expect(said()).toMatch(/before the end of the backup[^]*"yesterday" is no time[^]*"promote at once" is not understood/);
    type('to-end');
    const last = await next();
    expect(await transfers(last)).toBe(4);
    child.kill('SIGINT');
    expect(await next()).toMatchObject({ state: 'removed' });
    expect(await ended).toEqual([0, null]);
    expect(await readdir(temporary)).toEqual([]);
    expect(await processesOn(temporary)).toEqual([]);
  }, 120_000);

  it('is a server of its own when it is promoted', async () => {
    const { next, type, ended } = inspect('--to-time', moments[1]!);
    await next();
    type('promote');
    expect(await next()).toMatchObject({ state: 'promoted' });
    expect(await ended).toEqual([0, null]);
    expect(await readdir(temporary)).toEqual(['looked-at']);
    await using own = await startRestored(target, source);
    await own.query('INSERT INTO transfers VALUES (100)');
    expect(await own.query('SELECT id FROM transfers ORDER BY id')).toEqual([{ id: 1 }, { id: 2 }, { id: 100 }]);
    expect(await own.query(`SELECT current_setting('archive_mode') AS mode`)).toEqual([{ mode: 'off' }]);
  }, 120_000);

  it('ends with its command, however that ends, and the next command removes what it left', async () => {
    const { next, child } = inspect('--to-time', moments[0]!);
    await next();
    await kill9(child);
    await untilNoProcess();
    expect(await readdir(temporary)).toContain('looked-at');
    expect((await nextCommand()).error).toBeDefined();
    expect(await readdir(temporary)).toEqual([]);
  }, 120_000);

  it('leaves nothing of its files either when it is killed while they are written', async () => {
    const { child } = inspect();
    while (!(await readdir(temporary)).some((name) => name.startsWith('looked-at'))) await sleep(2);
    await kill9(child);
    await untilNoProcess();
    expect((await nextCommand()).error).toBeDefined();
    expect(await readdir(temporary)).toEqual([]);
  }, 120_000);

  it('is no exception: the server of a restore that is killed in its recovery ends, too, and its files go', async () => {
    const url = `postgresql://${source.user}@127.0.0.1:${source.port}/postgres`;
    const command = ['repository', 'restore', '--path', storage, '--to', url, '--from-database', 'postgres', '--as', 'never'];
    const child = spawn(process.execPath, [COMMAND, ...command], {
      env: { ...environment, RAHAT_DB_PASSWORD: source.password },
      stdio: 'ignore',
    });
    const started = async () => {
      for (const name of await readdir(temporary, { recursive: true })) if (name.endsWith('data/postmaster.pid')) return true;
      if (child.exitCode !== null) throw new Error(`It ended with ${child.exitCode}`);
      return undefined;
    };
    await until('its server', started);
    await kill9(child);
    await untilNoProcess();
    expect(await readdir(temporary)).not.toEqual([]);
    expect((await nextCommand()).error).toBeDefined();
    expect(await readdir(temporary)).toEqual([]);
  }, 120_000);
});
