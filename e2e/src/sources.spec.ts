import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { data, mismatches, proveTables, withClient } from '@rahat/demo';
import { databasesDiscover, plansRun } from '@rahat/api-client';
import { descendants, kill9 } from './processes.js';
import {
  backUp,
  backupsOf,
  filesOf,
  protect,
  readBackup,
  restoreAs,
  startBackup,
  statusOf,
  untilEnded,
  untilPacksGrow,
  untilRun,
  untilVerified,
  type Protection,
} from './protection.js';
import { shapes, STANDALONE } from './shapes.js';
import { fillWithNoise, openWorld, type World } from './world.js';

const SQL_NAME = (name: string) => `"${name.replaceAll('"', '""')}"`;

/** 63 bytes, the longest name that PostgreSQL keeps whole. */
const LONGEST = 'ğ'.repeat(31) + 'x';
const NAMES = ['quo"te\'s', '--file=x', 'host=127.0.0.1 port=1', 'new\nline', LONGEST];
const TABLE_NAMES = [...NAMES, '-leading', 'dots.and spaces', 'Ünïcödé 東京 🐘', '%s*?/..\\'];

/** The tests follow upon each other, on one server. */
describe.each(shapes(STANDALONE))('trouble at the source ($form, $queues)', (shape) => {
  let world: World;
  let protection: Protection;

  beforeAll(async () => {
    world = await openWorld(['CREATE TABLE kept AS SELECT i AS id, md5(i::text) AS text FROM generate_series(1, 5000) i'], shape);
    protection = await protect(world, { verify: ['FULL'], retention: { keepLast: 1, keepProven: 1 } });
    const first = await backUp(world, protection);
    expect((await untilVerified(world, first.backup, 'FULL')).state).toBe('succeeded');
  }, 180_000);
  afterAll(async () => world[Symbol.asyncDispose]());

  async function expectGoodBackupKept(): Promise<void> {
    const backups = await backupsOf(world, protection);
    expect(backups.filter(({ proof, removedAt }) => proof === 'FULL' && removedAt === null)).toHaveLength(1);
    expect(await filesOf(protection, 'snapshots')).toHaveLength(1);
    expect(await filesOf(protection, 'trash')).toEqual([]);
  }

  it('a password changed on the server: failed at once with the fix, not green, the good backup kept', async () => {
    await world.source.query(`ALTER ROLE postgres PASSWORD 'another'`);
    const run = await backUp(world, protection).finally(() => changePasswordBack(world));
    expect(run).toMatchObject({ state: 'failed', attempt: 1, backup: null, error: { code: 'source_authentication_failed' } });
    expect(run.error?.hint).toMatch(/password/i);
    expect(await statusOf(world, protection)).toMatchObject({
      state: 'failing',
      backups: 1,
      lastError: { code: 'source_authentication_failed' },
    });
    await expectGoodBackupKept();
  }, 120_000);

  it('a server that dies in mid-dump and stays away: failed with the cause, no snapshot', async () => {
    await fillWithNoise(world, 120);
    const before = (await filesOf(protection, 'packs')).length;
    const id = await startBackup(world, protection);
    await untilPacksGrow(protection, before);
    await world.source.kill9();
    const run = await untilEnded(world, id);
    expect(run).toMatchObject({ state: 'failed', attempt: 3, backup: null });
    expect(run.error?.code).toMatch(/^source_(unreachable|lost)$/);
    expect(run.error?.hint).toMatch(/server/i);
    await expectGoodBackupKept();
    expect((await statusOf(world, protection)).state).toBe('failing');
    await world.source.restart();
  }, 120_000);

  it('pg_dump killed: tried again, green only by the attempt that was whole', async () => {
    const before = (await filesOf(protection, 'packs')).length;
    const id = await startBackup(world, protection);
    await untilPacksGrow(protection, before);
    const dumps = await descendants(world.platform.pid, /pg_dump/);
    expect(dumps.length).toBeGreaterThan(0);
    kill9(dumps);
    const again = await untilRun(world, id, ({ attempt, state }) => attempt === 2 || state === 'failed');
    expect(again.attempt).toBe(2);
    expect(again.reasons.join(' ')).toMatch(/pg_dump|dump/);
    const run = await untilEnded(world, id);
    expect(run).toMatchObject({ state: 'succeeded', attempt: 2 });
    expect((await untilVerified(world, run.backup, 'FULL')).state).toBe('succeeded');
    expect(await statusOf(world, protection)).toMatchObject({ state: 'proven', failuresSinceSuccess: 0, lastError: null });
  }, 180_000);
});

describe.each(shapes(STANDALONE))('names and shapes at the source ($form, $queues)', (shape) => {
  let world: World;

  beforeAll(async () => {
    world = await openWorld([], shape);
    for (const [index, name] of NAMES.entries()) {
      await world.source.query(`CREATE DATABASE ${SQL_NAME(name)}`);
      await world.source.query(`CREATE SCHEMA ${SQL_NAME(name)}`, [], name);
      for (const table of TABLE_NAMES) {
        const place = `${SQL_NAME(name)}.${SQL_NAME(table)}`;
        await world.source.query(
          `CREATE TABLE ${place} AS SELECT i AS ${SQL_NAME(table)}, md5(i::text) AS text FROM generate_series(1, ${10 + index}) i`,
          [],
          name,
        );
      }
    }
  }, 180_000);
  afterAll(async () => world[Symbol.asyncDispose]());

  it('hostile names are backed up, proven by a test restore, and restored the same', async () => {
    const protection = await protect(world, { databases: NAMES, verify: ['FULL'] });
    const { runs } = await data(plansRun({ client: world.platform.client, path: { id: protection.plan } }));
    expect(runs).toHaveLength(NAMES.length);
    for (const { id } of runs) {
      const run = await untilEnded(world, id);
      expect(run).toMatchObject({ state: 'succeeded', reasons: [] });
      const { databaseName } = await readBackup(world, run.backup);
      expect(NAMES).toContain(databaseName);
      expect((await untilVerified(world, run.backup, 'FULL')).state).toBe('succeeded');
    }
    for (const backup of (await backupsOf(world, protection)).slice(0, 3)) {
      const target = `again ${backup.databaseName}`.slice(0, 20);
      expect((await restoreAs(world, backup.id, target)).state).toBe('succeeded');
      expect(mismatches(await proveTables(world.connection, backup.databaseName!), await proveTables(world.connection, target))).toEqual(
        [],
      );
    }
  }, 240_000);

  it('an empty database is backed up and proven as what it is', async () => {
    await world.source.query('CREATE DATABASE nothing');
    const protection = await protect(world, { databases: ['nothing'], verify: ['FULL'], storagePath: `${world.folder}/empty` });
    await data(databasesDiscover({ client: world.platform.client, path: { server: protection.server } }));
    const run = await backUp(world, protection);
    expect(run).toMatchObject({ state: 'succeeded', reasons: [] });
    expect((await untilVerified(world, run.backup, 'FULL')).state).toBe('succeeded');
    expect((await restoreAs(world, run.backup, 'nothing_again')).state).toBe('succeeded');
    expect(await statusOf(world, protection)).toMatchObject({ state: 'proven' });
  }, 120_000);
});

/** The test server knows its first password only. */
async function changePasswordBack(world: World): Promise<void> {
  await withClient({ ...world.connection, password: 'another' }, 'postgres', (client) =>
    client.query(`ALTER ROLE postgres PASSWORD '${world.connection.password}'`),
  );
}
