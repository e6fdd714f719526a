import { rm } from 'node:fs/promises';
import path from 'node:path';
import {
  backupsList,
  databasesDiscover,
  plansCreate,
  repositoriesList,
  serversCreate,
  serversTest,
  type Backup,
  type Run,
} from '@rahat/api-client';
import { data, mismatches, proveTables } from '@rahat/demo';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { cliEnvironment, rahatBackup } from './cli.js';
import { backUp, filesOf, offline, protect, readBackup, restoreAs, untilEnded, type CheckReport, type Protection } from './protection.js';
import { shapes, STANDALONE } from './shapes.js';
import { fillWithNoise, openWorld, type World } from './world.js';

const NOISE_MB = 12;

/** The tests follow upon each other: the first installation is gone when they begin. */
describe.each(shapes(STANDALONE))('a repository of an installation that is gone ($form, $queues)', (shape) => {
  let world: World;
  let before: Protection;
  let original: Awaited<ReturnType<typeof proveTables>>;
  let snapshots: string[];
  let attached: string;
  let source: string;

  beforeAll(async () => {
    world = await openWorld([], shape);
    await fillWithNoise(world, NOISE_MB);
    before = await protect(world);
    const runs = [await backUp(world, before), await backUp(world, before)];
    original = await proveTables(world.connection, 'shop');
    snapshots = await Promise.all(runs.map(async ({ backup }) => (await readBackup(world, backup)).snapshot));
    await world.platform.stop();
    await rm(path.join(world.folder, 'data'), { recursive: true });
    await world.startAgain();
  }, 180_000);
  afterAll(async () => world?.[Symbol.asyncDispose]());

  const cli = async <T>(args: string[], environment: NodeJS.ProcessEnv = {}) =>
    rahatBackup<T>(args, { ...(await cliEnvironment(world.platform)), ...environment });
  const place = () => path.dirname(before.folder);
  const folder = () => path.basename(before.folder);

  it('is not opened by another passphrase, and then nothing is left of the attempt', async () => {
    const refused = await cli(['storage', 'add', place(), '--name', 'old', '--attach', folder()], {
      RAHAT_PASSPHRASE: 'some other passphrase',
    });
    expect(refused.error).toMatchObject({ code: 'repository_wrong_passphrase' });
    const { data: repositories } = await data(repositoriesList({ client: world.platform.client }));
    expect(repositories.filter(({ attachedAt }) => attachedAt !== null)).toEqual([]);
  }, 60_000);

  it('is attached with its passphrase, fills the catalog, and gives everything back', async () => {
    const { client } = world.platform;
    const { password, ...address } = world.connection;
    const server = await data(serversCreate({ client, body: { name: 'source', address, password } }));
    await data(databasesDiscover({ client, path: { server: server.id } }));
    // What it says it is tells it from others; manifests say the same.
    await data(serversTest({ client, path: { id: server.id } }));
    source = server.id;
    const { data: answer, error } = await cli<{ repository: { id: string; snapshots: number }; runs: string[] }>(
      ['storage', 'attach', 'old', folder(), '--name', 'shop before'],
      { RAHAT_PASSPHRASE: before.passphrase },
    );
    expect(error).toBeUndefined();
    expect(answer.repository).toMatchObject({ snapshots: 2, sessions: [], unreadable: [] });
    attached = answer.repository.id;
    const rebuilt = await untilEnded(world, answer.runs[0]!);
    expect(rebuilt).toMatchObject({ state: 'succeeded', evidence: { found: 2, outcomes: { recorded: 2, foreign: 0 } } });
    const { data: found } = await data(backupsList({ client, query: { repository: attached } }));
    expect(found.map(({ snapshot }) => snapshot).sort()).toEqual([...snapshots].sort());
    const newest = found.find(({ snapshot }) => snapshot === snapshots[1])!;
    expect((await restoreAs(world, newest.id, 'brought_back')).state).toBe('succeeded');
    expect(mismatches(original, await proveTables(world.connection, 'brought_back'))).toEqual([]);
    const again = await cli(['storage', 'attach', 'old', folder(), '--name', 'once more'], { RAHAT_PASSPHRASE: before.passphrase });
    expect(again.error).toMatchObject({ code: 'repository_exists' });
  }, 120_000);

  it('takes further backups, which store only what is new', async () => {
    const { client } = world.platform;
    const plan = await data(
      plansCreate({
        client,
        body: { name: 'goes on', server: source, databases: ['shop'], repository: attached, verify: ['FULL'] },
      }),
    );
    await world.source.query('CREATE TABLE later AS SELECT 1 AS one', [], 'shop');
    const protection = { ...before, plan: plan.id, repository: attached };
    const packs = (await filesOf(protection, 'packs')).length;
    const run: Run = await backUp(world, protection);
    expect(run.state).toBe('succeeded');
    const backup: Backup = await readBackup(world, run.backup);
    expect(backup.sizeBytes).toBeGreaterThan(NOISE_MB * 1e6 * 0.8);
    expect(backup.addedBytes).toBeLessThan(backup.sizeBytes / 20);
    expect((await filesOf(protection, 'packs')).length).toBeGreaterThan(packs);
    const check = await offline<CheckReport>(world, protection, 'check', '--level', 'read-data');
    expect(check.data).toMatchObject({ healthy: true, snapshots: 3 });
  }, 120_000);
});
