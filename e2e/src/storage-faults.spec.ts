import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { backupsVerify } from '@rahat/api-client';
import { data } from '@rahat/demo';
import {
  backUp,
  backupsOf,
  filesOf,
  offline,
  protect,
  readBackup,
  restoreAs,
  statusOf,
  untilEnded,
  type CheckReport,
  type Protection,
} from './protection.js';
import { shapes, STANDALONE } from './shapes.js';
import { mountSmallDisk, MOUNTS, type SmallDisk } from './small-disk.js';
import { fillWithNoise, openWorld, type World } from './world.js';

type Level = 'BASIC' | 'DATABASE' | 'FULL';

describe.each(shapes(STANDALONE))('a storage that fills up ($form, $queues)', (shape) => {
  let world: World;
  let folder: string;
  let disk: SmallDisk | undefined;

  beforeAll(async () => {
    world = await openWorld([], shape);
    folder = path.join(world.folder, 'small');
    if (MOUNTS) disk = mountSmallDisk(folder, 96);
  }, 120_000);
  afterAll(async () => {
    disk?.[Symbol.dispose]();
    await world[Symbol.asyncDispose]();
  });

  (MOUNTS ? it : it.skip)(
    'tells storage_full and its hint, keeps what was there, and goes on by itself when there is space',
    async () => {
      await fillWithNoise(world, 40);
      const protection = await protect(world, { storagePath: path.join(folder, 'storage') });
      const first = await backUp(world, protection);
      expect(first.state).toBe('succeeded');
      writeFileSync(path.join(folder, 'ballast'), Buffer.alloc(40 * 1024 * 1024));

      await fillWithNoise(world, 80);
      const full = await backUp(world, protection);
      expect(full).toMatchObject({ state: 'failed', backup: null, error: { code: 'storage_full' } });
      expect(full.error?.hint).toMatch(/free space/i);
      expect(await statusOf(world, protection)).toMatchObject({ state: 'failing', backups: 1 });
      expect(await filesOf(protection, 'snapshots')).toHaveLength(1);
      expect(await verify(world, first.backup, 'DATABASE')).toMatchObject({ state: 'succeeded' });

      rmSync(path.join(folder, 'ballast'));
      await fillWithNoise(world, 10);
      expect((await backUp(world, protection)).state).toBe('succeeded');
      expect((await offline<CheckReport>(world, protection, 'check')).data).toMatchObject({ healthy: true, snapshots: 2 });
    },
    180_000,
  );
});

describe.each(shapes(STANDALONE))('a flipped byte ($form, $queues)', (shape) => {
  let world: World;
  let protection: Protection;
  let backup: string;

  beforeAll(async () => {
    world = await openWorld([], shape);
    await fillWithNoise(world, 6);
    protection = await protect(world);
    backup = (await backUp(world, protection)).backup!;
  }, 120_000);
  afterAll(async () => world[Symbol.asyncDispose]());

  it.each<Level>(['BASIC', 'DATABASE', 'FULL'])(
    'in a pack is found by the level %s: damaged, not green',
    async (level) => {
      await using _flipped = flipByte(largest(await filesOf(protection, 'packs')));
      const run = await verify(world, backup, level);
      expect(run.state).toBe('failed');
      expect(run.error?.code).toMatch(/^(repository_|dump_|restore_mismatch|blob_)/);
      expect((await readBackup(world, backup)).proof).toBe('damaged');
      expect(await statusOf(world, protection)).toMatchObject({ state: 'failing', backups: 0, lastProof: null });
    },
    120_000,
  );

  it('in a pack is never restored: refused, or ended without a database of that name', async () => {
    await using _flipped = flipByte(largest(await filesOf(protection, 'packs')));
    const outcome = await restoreAs(world, backup, 'from_damage').then(
      ({ state }) => state,
      () => 'refused',
    );
    expect(['refused', 'failed']).toContain(outcome);
    expect(await world.source.query(`SELECT 1 FROM pg_database WHERE datname = 'from_damage'`)).toEqual([]);
    const byHand = await offline(
      world,
      protection,
      'restore',
      '--to',
      `postgresql://${world.connection.user}@127.0.0.1:${world.connection.port}/postgres?sslmode=disable`,
      '--as',
      'from_damage',
    );
    expect(byHand.exitCode).not.toBe(0);
  }, 120_000);

  it('is forgiven when the bytes are what they were: the deepest look counts', async () => {
    expect((await verify(world, backup, 'FULL')).state).toBe('succeeded');
    expect((await readBackup(world, backup)).proof).toBe('FULL');
    expect(await statusOf(world, protection)).toMatchObject({ state: 'proven' });
  }, 60_000);

  it.each(['index', 'snapshots', 'keys'] as const)(
    'at the start, middle and end of a file of %s is found without the platform',
    async (part) => {
      const [file] = await filesOf(protection, part);
      for (const place of [0, 0.5, 1]) {
        await using _flipped = flipByte(file!, place);
        const check = await offline<CheckReport>(world, protection, 'check', '--level', 'structure');
        expect(check.exitCode).not.toBe(0);
        if (!check.error)
          expect(check.data.problems.find(({ severity }) => severity === 'damage')?.file).toBe(path.relative(protection.folder, file!));
        expect(check.error?.code ?? 'repository_damaged').toMatch(/^repository_/);
      }
      expect((await offline<CheckReport>(world, protection, 'check', '--level', 'deep')).data.healthy).toBe(true);
    },
    60_000,
  );

  it('counted no backup twice on the way', async () => {
    expect(await backupsOf(world, protection)).toHaveLength(1);
  });
});

async function verify(world: World, backup: string | null, level: Level) {
  const { client } = world.platform;
  return untilEnded(world, (await data(backupsVerify({ client, path: { id: backup! }, body: { level } }))).id);
}

/** `place` from 0, the first byte, to 1, the last. Disposing puts the byte back. */
function flipByte(file: string, place = 0.5): AsyncDisposable {
  const whole = readFileSync(file);
  const damaged = Buffer.from(whole);
  damaged[Math.round((whole.length - 1) * place)]! ^= 0x10;
  writeFileSync(file, damaged);
  return { [Symbol.asyncDispose]: () => Promise.resolve(writeFileSync(file, whole)) };
}

function largest(files: string[]): string {
  return files.reduce((largest, file) => (statSync(file).size > statSync(largest).size ? file : largest));
}
