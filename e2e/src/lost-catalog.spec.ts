import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { plansUpdate, type Run } from '@rahat/api-client';
import { data, mismatches, proveTables } from '@rahat/demo';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { cliEnvironment, rahatBackup } from './cli.js';
import { installGate, type Gate } from './gate.js';
import {
  backUp,
  backupsOf,
  filesOf,
  offline,
  protect,
  readBackup,
  restoreAs,
  startBackup,
  untilEnded,
  untilRun,
  type CheckReport,
  type Protection,
} from './protection.js';
import { shapes, STANDALONE } from './shapes.js';
import { fillWithNoise, openWorld, type World } from './world.js';
import { copyMetadata, restoreMetadata, withMetadata } from './yesterday.js';

/** Shorter gaps in its memory a scheduler doesn't tell from a slow tick. */
const FORGOTTEN_MS = 12_000;

/** The tests follow upon each other, on one repository. */
describe.each(shapes(STANDALONE))('the metadata database of yesterday ($form, $queues)', (shape) => {
  let world: World;
  let protection: Protection;
  let gate: Gate;

  beforeAll(async () => {
    world = await openWorld(['CREATE TABLE days (day int)'], shape);
    gate = await installGate(world);
    protection = await protect(world, { retention: { keepLast: 10, keepProven: 1 } });
  }, 120_000);
  afterAll(async () => {
    await gate[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
  });

  const namesIn = async (part: 'snapshots' | 'trash') => (await filesOf(protection, part)).map((file) => path.basename(file)).sort();
  const standing = () => backupsOf(world, protection);
  const snapshotOf = async ({ backup }: Run) => (await readBackup(world, backup)).snapshot;

  async function takeDay(day: number): Promise<Run> {
    await world.source.query('INSERT INTO days VALUES ($1)', [day], 'shop');
    const run = await backUp(world, protection);
    expect(run.state).toBe('succeeded');
    return run;
  }

  async function rebuild(...args: string[]) {
    const { data: runs, error } = await rahatBackup<Run[]>(
      ['catalog', 'rebuild', '--repository', protection.repository, '--follow', ...args],
      await cliEnvironment(world.platform),
    );
    if (error) throw new Error(JSON.stringify(error));
    if (runs[0]?.evidence?.type !== 'rebuild') throw new Error(JSON.stringify(runs));
    return runs[0].evidence;
  }

  it('takes nothing away, not even of a run that was under way, and a rebuild finds what is newer', async () => {
    const yesterdays = await snapshotOf(await takeDay(1));
    await fillWithNoise(world, 10);
    gate.closeAfter(5e6);
    const underWay = await startBackup(world, protection);
    await untilRun(world, underWay, ({ state, progress }) => state === 'running' && (progress?.bytes ?? 0) > 1e6);
    const copy = await copyMetadata(world);
    const copiedAt = Date.now();

    // Today: the run ends well, another one follows, and what is from yesterday is taken away by a changed plan.
    gate.open();
    const ended = await untilEnded(world, underWay);
    expect(ended).toMatchObject({ state: 'succeeded', attempt: 1 });
    const forgotten = await snapshotOf(ended);
    await data(plansUpdate({ client: world.platform.client, path: { id: protection.plan }, body: { retention: { keepLast: 2 } } }));
    const newest = await snapshotOf(await takeDay(2));
    const original = await proveTables(world.connection, 'shop');
    for (const deadline = Date.now() + 30_000; (await namesIn('trash')).length === 0 && Date.now() < deadline;) await sleep(100);
    expect(await namesIn('trash')).toEqual([yesterdays]);
    const kept = await namesIn('snapshots');
    expect(kept).toEqual([forgotten, newest].sort());

    await world.platform.stop();
    await restoreMetadata(world, copy);
    while (Date.now() < copiedAt + FORGOTTEN_MS) await sleep(100);
    await world.startAgain();
    expect((await standing()).map(({ snapshot }) => snapshot)).toEqual([yesterdays]);
    // To the database the run is still under way; its worker is silent, so it is done again.
    const again = await untilEnded(world, underWay);
    expect(again).toMatchObject({ state: 'succeeded', attempt: 2 });
    const repeated = await snapshotOf(again);

    expect((await rebuild('--dry-run')).outcomes).toMatchObject({ recorded: 2, corrected: 1, known: 1 });
    expect(await standing()).toHaveLength(2);
    expect((await rebuild()).outcomes).toMatchObject({ recorded: 2, recordedInTrash: 0, corrected: 1, known: 1 });
    const found = await standing();
    expect(found.map(({ snapshot }) => snapshot).sort()).toEqual([...kept, repeated].sort());
    for (const backup of found) expect(backup).toMatchObject({ plan: protection.plan, server: protection.server, state: 'succeeded' });
    expect(await namesIn('snapshots')).toEqual([...kept, repeated].sort());
    expect(await namesIn('trash')).toEqual([yesterdays]);

    const back = found.find(({ snapshot }) => snapshot === newest)!;
    expect((await restoreAs(world, back.id, 'found_again')).state).toBe('succeeded');
    expect(mismatches(original, await proveTables(world.connection, 'found_again'))).toEqual([]);

    expect((await rebuild()).outcomes).toMatchObject({ recorded: 0, corrected: 0, known: 4 });
    expect(await standing()).toEqual(found);
  }, 240_000);

  it('comes back from nothing: without a row in the catalog, all of them are there again', async () => {
    const before = await backupsOf(world, protection);
    const trash = await namesIn('trash');
    await withMetadata(world, (client) => client.query(`DELETE FROM scheduler.restore_plans; DELETE FROM scheduler.backups`));
    expect(await backupsOf(world, protection)).toEqual([]);
    expect((await rebuild()).outcomes).toMatchObject({ recorded: 3, recordedInTrash: 1, known: 0 });
    const lasting = (backups: typeof before) =>
      backups
        .map(({ snapshot, plan, server, database, state, sizeBytes, rows, consistentAt }) =>
          JSON.stringify({ snapshot, plan, server, database, state, sizeBytes, rows, consistentAt }),
        )
        .sort();
    expect(lasting(await backupsOf(world, protection))).toEqual(lasting(before));
    const { data: removed } = await rahatBackup<{ snapshot: string }[]>(['backup', 'trash'], await cliEnvironment(world.platform));
    expect(removed.map(({ snapshot }) => snapshot)).toEqual(trash);
    const check = await offline<CheckReport>(world, protection, 'check', '--level', 'structure');
    expect(check.data).toMatchObject({ healthy: true });
  }, 120_000);
});
