import { access, chown, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { InspectedServer } from '@rahat/connector-kit';
import type { PostgresqlConnection, RecoveryTarget } from '@rahat/contracts';
import { startPostgresql, type PostgresqlServer } from '@rahat/test-servers';
import pg from 'pg';
import { removeThrowawayLeftovers, startThrowawayServer } from '../throwaway/index.js';
import {
  backUp,
  caughtUp,
  connectionTo,
  failureOf,
  followedSettings,
  LogInMemory,
  quietJob,
  startFollower,
  toolFoldersOf,
} from '../wal/test-parts.js';
import type { ArtifactsInMemory } from './artifacts-in-memory.js';
import { inspectServer } from './inspected-server.js';

const major = 15;
/** Of the source when its base backup was taken; a server that is read while it recovers may not have less. */
const LIMITS = { max_connections: '137', max_locks_per_transaction: '77' };
const RAISED = '211';

let server: PostgresqlServer;
let backup: ArtifactsInMemory;
let log: LogInMemory;
/** Just after row 2, 3 and 4 came. */
const positions: string[] = [];
let scratchFolder: string;
let folder: string;

beforeAll(async () => {
  server = await startPostgresql({ major, settings: { ...followedSettings, ...LIMITS } });
  log = new LogInMemory();
  const follower = startFollower(connectionTo(server), log);
  await server.query('CREATE TABLE marks (i int PRIMARY KEY); INSERT INTO marks VALUES (1)');
  backup = await backUp(connectionTo(server));
  for (let i = 2; i <= 4; i++) {
    if (i === 4) {
      await server.query(`ALTER SYSTEM SET max_connections = ${RAISED}`);
      await server.restart();
    }
    await server.query(`INSERT INTO marks VALUES (${i})`);
    const [row] = await server.query<{ at: string }>('SELECT pg_current_wal_insert_lsn()::text AS at');
    positions.push(row!.at);
  }
  await server.query('CHECKPOINT');
  await caughtUp(server, log, follower);
  await follower.stop();
}, 120_000);
afterAll(() => server?.stop());
beforeEach(async () => {
  scratchFolder = await mkdtemp(join(tmpdir(), 'rhb-inspect-spec-'));
  folder = join(scratchFolder, 'looked-at');
});
afterEach(() => rm(scratchFolder, { recursive: true, force: true }));

const context = () => ({ scratchFolder, toolFolders: toolFoldersOf(major), signal: quietJob.signal });
const inspect = (target?: RecoveryTarget, user?: string) =>
  inspectServer(backup, { folder, user }, context(), quietJob, target && { target, log });
const afterRow = (i: 2 | 3 | 4): RecoveryTarget => ({ kind: 'lsn', lsn: positions[i - 2]!, inclusive: false });

async function ask(connection: PostgresqlConnection, sql: string): Promise<unknown> {
  const { host, port, user, password } = connection;
  const client = new pg.Client({ host, port, user, password, database: 'postgres' });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<{ answer: unknown }>(sql)).rows[0]?.answer;
  } finally {
    await client.end();
  }
}
const rows = (looked: InspectedServer<PostgresqlConnection>) => ask(looked.connection, 'SELECT count(*)::int AS answer FROM marks');
const gone = (path: string) =>
  access(path).then(
    () => false,
    () => true,
  );
async function nothingLeft(socketFolder: string): Promise<void> {
  expect(await gone(socketFolder)).toBe(true);
  expect(await readdir(scratchFolder)).toEqual([]);
}

describe('a recovered server to look at', () => {
  it('waits at its target, is read by its socket only, takes no write, and leaves nothing', async () => {
    const looked = await inspect(afterRow(2));
    const { connection } = looked;
    try {
      expect(await rows(looked)).toBe(2);
      expect(looked.reached.timeline).toBe(1);
      await expect(ask(connection, 'INSERT INTO marks VALUES (9)')).rejects.toMatchObject({ code: '25006' });
      for (const [name, value] of Object.entries({
        ...LIMITS,
        listen_addresses: '',
        archive_mode: 'off',
        max_logical_replication_workers: '0',
      }))
        expect([name, await ask(connection, `SELECT current_setting('${name}') AS answer`)]).toEqual([name, value]);
      // Nothing of it came from the source's own pg_hba.conf, which asks for passwords; and no standby may follow it.
      await expect(
        new pg.Client({ host: connection.host, port: connection.port, user: 'postgres', replication: 'true' } as pg.ClientConfig).connect(),
      ).rejects.toMatchObject({ code: '28000' });
    } finally {
      await looked[Symbol.asyncDispose]();
    }
    await nothingLeft(connection.host);
  }, 60_000);

  it('goes on to later points, also past a change of the limits that it has to have, and never back', async () => {
    await using looked = await inspect(afterRow(2));
    const on = (target: RecoveryTarget) => looked.advance(backup, { target, log }, quietJob);
    await on(afterRow(3));
    expect(await rows(looked)).toBe(3);
    expect(await failureOf(on(afterRow(2)))).toMatchObject({
      code: 'recovery_target_unreachable',
      hint: expect.stringContaining('forward only'),
    });
    expect(await failureOf(on({ kind: 'name', name: 'nowhere' }))).toMatchObject({ code: 'recovery_target_unreachable' });
    expect(await rows(looked)).toBe(3);
    await on({ kind: 'end' });
    expect(await rows(looked)).toBe(4);
    expect(await ask(looked.connection, `SELECT current_setting('max_connections') AS answer`)).toBe(RAISED);
  }, 60_000);

  it('is left as a server of its own when it is promoted, as it was at that point', async () => {
    const looked = await inspect(afterRow(3));
    await looked.promote(quietJob);
    await looked[Symbol.asyncDispose]();
    expect(await gone(looked.connection.host)).toBe(true);
    expect(await readdir(scratchFolder)).toEqual(['looked-at']);
    const files = await readdir(folder);
    for (const past of ['recovery.signal', 'rhb_recovery_log', 'postmaster.pid', 'backup_label']) expect(files).not.toContain(past);
    const settings = await readFile(join(folder, 'postgresql.auto.conf'), 'utf8');
    expect(settings).toMatch(/archive_mode = 'off'[^]*primary_conninfo = ''/);
    // As whoever it was left to would start it.
    await using own = await startThrowawayServer({ major, dataFolder: folder, ...context() });
    await ask(own.connection, 'INSERT INTO marks VALUES (9)');
    expect(await ask(own.connection, 'SELECT array_agg(i ORDER BY i)::text AS answer FROM marks')).toBe('{1,2,3,9}');
    expect(await ask(own.connection, 'SELECT timeline_id AS answer FROM pg_control_checkpoint()')).toBe(2);
  }, 60_000);

  it('needs no log: then it is where the backup ends', async () => {
    await using looked = await inspect();
    expect(await rows(looked)).toBe(1);
    await looked.advance(backup, { target: afterRow(2), log }, quietJob);
    expect(await rows(looked)).toBe(2);
  }, 60_000);

  it('tells when it ends by itself', async () => {
    await using looked = await inspect();
    process.kill(Number((await readFile(join(folder, 'postmaster.pid'), 'utf8')).split('\n')[0]), 'SIGQUIT');
    await looked.lost;
  }, 60_000);

  it('refuses a folder that holds something, a point that was never, and a role that is none, and leaves all as it was', async () => {
    await mkdir(folder);
    await writeFile(join(folder, 'precious'), 'mine');
    expect(await failureOf(inspect())).toMatchObject({ code: 'restore_target_exists' });
    expect(await readFile(join(folder, 'precious'), 'utf8')).toBe('mine');
    await rm(folder, { recursive: true });
    expect(await failureOf(inspect({ kind: 'name', name: 'nowhere' }))).toMatchObject({ code: 'recovery_target_unreachable' });
    expect(await failureOf(inspect(undefined, 'nobody here'))).toMatchObject({
      code: 'invalid_input',
      message: expect.stringContaining('nobody here'),
    });
    expect(await readdir(scratchFolder)).toEqual([]);
  }, 60_000);

  it('is ended and removed with its folder by the next look at leftovers when its owner has died', async () => {
    const looked = await inspect();
    try {
      const [own] = (await readdir(scratchFolder)).filter((name) => name.startsWith('rhb_t_'));
      const owner = join(scratchFolder, own!, 'owner.json');
      expect(await removeThrowawayLeftovers(scratchFolder)).not.toContain(join(scratchFolder, own!));
      const word = JSON.parse(await readFile(owner, 'utf8')) as object;
      await writeFile(owner, JSON.stringify({ ...word, startedAt: 'before' }));
      expect(await removeThrowawayLeftovers(scratchFolder)).toContain(join(scratchFolder, own!));
      await looked.lost;
      await nothingLeft(looked.connection.host);
    } finally {
      await looked[Symbol.asyncDispose]();
    }
  }, 60_000);

  it('says so where it cannot wait, and never shows a server that went on by itself', async () => {
    const client = await server.connect('postgres');
    // More than a snapshot of running transactions holds (PGPROC_MAX_CACHED_SUBXIDS).
    await client.query('BEGIN; CREATE TABLE many (i int)');
    for (let i = 0; i < 70; i++) await client.query(`SAVEPOINT s; INSERT INTO many VALUES (${i})`);
    const overflown = await backUp(connectionTo(server));
    await client.query('COMMIT');
    await client.end();
    const failure = await failureOf(inspectServer(overflown, { folder }, context(), quietJob));
    expect(failure).toMatchObject({ code: 'restore_failed', message: expect.stringContaining('subtransactions') });
    await delay(10);
    expect(await readdir(scratchFolder)).toEqual([]);
  }, 60_000);

  it('is where the backup ends, also on a timeline that another one was before, of which no log tells', async () => {
    const standby = join(server.dataFolder, 'standby.signal');
    await writeFile(standby, '');
    const { uid, gid } = await stat(server.dataFolder);
    await chown(standby, uid, gid);
    await server.restart();
    await server.query('SELECT pg_promote()');
    const promoted = await backUp(connectionTo(server));
    await using looked = await inspectServer(promoted, { folder }, context(), quietJob);
    expect([await rows(looked), looked.reached.timeline]).toEqual([4, 2]);
  }, 60_000);
});
