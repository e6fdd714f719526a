import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RetentionPreview, TrashedBackup } from '@rahat/api-client';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { cliEnvironment, rahatBackup } from './cli.js';
import { backUp, backupsOf, filesOf, offline, protect, untilVerified, type CheckReport, type Protection } from './protection.js';
import { shapes, STANDALONE } from './shapes.js';
import { openWorld, type World } from './world.js';

/** The tests follow upon each other, on one line of backups. */
describe.each(shapes(STANDALONE))('retention with keepLast 2 and keepProven 1 ($form, $queues)', (shape) => {
  let world: World;
  let protection: Protection;
  const snapshots: string[] = [];

  beforeAll(async () => {
    world = await openWorld(['CREATE TABLE days (day int)'], shape);
    protection = await protect(world, { verify: ['FULL'], retention: { keepLast: 2, keepProven: 1 } });
  }, 120_000);
  afterAll(async () => world[Symbol.asyncDispose]());

  const names = (files: string[]) => files.map((file) => path.basename(file)).sort();

  async function takeDay(): Promise<void> {
    await world.source.query('INSERT INTO days VALUES ($1)', [snapshots.length], 'shop');
    const run = await backUp(world, protection);
    expect(run.state).toBe('succeeded');
    expect((await untilVerified(world, run.backup, 'FULL')).state).toBe('succeeded');
    snapshots.push((await backupsOf(world, protection)).find(({ id }) => id === run.backup)!.snapshot);
  }

  async function untilKept(expected: string[]): Promise<void> {
    const kept = async () => names(await filesOf(protection, 'snapshots'));
    for (const deadline = Date.now() + 20_000; (await kept()).length > expected.length && Date.now() < deadline;) await sleep(200);
    expect(await kept()).toEqual([...expected].sort());
  }

  it('keeps the last two and moves the snapshots before them to the trash', async () => {
    for (let day = 0; day < 4; day++) await takeDay();
    await untilKept(snapshots.slice(-2));
    expect(names(await filesOf(protection, 'trash')).map((name) => name.split('.')[0])).toEqual(
      expect.arrayContaining(snapshots.slice(0, 2)),
    );
  }, 180_000);

  it('removes nothing for backups that failed, however many', async () => {
    await world.source.stop();
    for (let day = 0; day < 2; day++) expect((await backUp(world, protection)).state).toBe('failed');
    await world.source.restart();
    await untilKept(snapshots.slice(-2));
  }, 120_000);

  it('goes on after the failures, and what is kept is whole', async () => {
    await takeDay();
    await untilKept(snapshots.slice(-2));
    const check = await offline<CheckReport>(world, protection, 'check', '--level', 'deep');
    expect(check.data).toMatchObject({ healthy: true, snapshots: 2 });
    const gone = (await backupsOf(world, protection)).filter(({ removedAt }) => removedAt !== null);
    for (const { retention } of gone) expect(retention.reason).not.toBe('');
  }, 120_000);

  it('is shown, steered and undone from the command line', async () => {
    const environment = await cliEnvironment(world.platform);
    const command = async <T>(...args: string[]): Promise<T> => {
      const { data, error } = await rahatBackup<T>(args, environment);
      if (error) throw new Error(JSON.stringify(error));
      return data;
    };
    const standing = (await backupsOf(world, protection)).filter(({ removedAt }) => removedAt === null);
    const older = standing.find(({ snapshot }) => snapshot === snapshots.at(-2))!;

    const preview = await command<RetentionPreview>('plan', 'retention', protection.plan);
    expect(preview.backups.map(({ backup, kept }) => [backup, kept])).toEqual(expect.arrayContaining(standing.map(({ id }) => [id, true])));

    await command('backup', 'hold', older.id, '--reason', 'for the auditors');
    const refused = await rahatBackup(['backup', 'remove', older.id, '--reason', 'old'], environment);
    expect(refused.error).toMatchObject({ code: 'conflict', message: expect.stringContaining('for the auditors') });
    await command('backup', 'release', older.id);
    await command('backup', 'remove', older.id, '--reason', 'old');
    await untilKept(snapshots.slice(-1));
    const trash = await command<TrashedBackup[]>('backup', 'trash');
    expect(trash.find(({ backup }) => backup === older.id)).toMatchObject({ proof: 'FULL', reason: expect.stringContaining('old') });

    expect(await command('backup', 'bring-back', older.id)).toMatchObject({ removedAt: null });
    await untilKept(snapshots.slice(-2));
    expect((await offline<CheckReport>(world, protection, 'check', '--level', 'deep')).data).toMatchObject({ healthy: true, snapshots: 2 });
  }, 120_000);
});
