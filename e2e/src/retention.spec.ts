import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
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
});
