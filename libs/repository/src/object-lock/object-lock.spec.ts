import { beforeEach, describe, expect, it } from '@jest/globals';
import type { BlobStore } from '@rahat/blob-store-port';
import { listedNames, LockingStore } from '@rahat/blob-store-port/testing';
import { openS3Store } from '@rahat/blob-store-s3';
import { hasS3, startS3 } from '@rahat/test-servers';
import { SYSTEM_CLOCK } from '../context.js';
import { openRepository } from '../open-repository.js';
import type { Repository } from '../repository.js';
import { backUp, digests, newRepository, noise, restore } from '../testing/builders.js';
import { follow, position, STREAM } from '../testing/log-builders.js';
import { MemoryStore } from '../testing/memory-store.js';
import { s3Connection } from '../testing/s3-connection.js';
import { CONTENT, writeContent } from '../testing/siblings.js';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** In a pack of data and one of recipes. */
const OLD = CONTENT;
const MORE = { rows: CONTENT['rows']!, more: noise(50_000, 2) };

/** A repository on a storage with object lock, whose clocks go forward when the test says so. */
class Vault {
  readonly store = new MemoryStore();
  private offsetMs = 0;
  readonly clock = {
    ...SYSTEM_CLOCK,
    now: () => new Date(Date.now() + this.offsetMs),
    monotonicMs: () => performance.now() + this.offsetMs,
  };
  repository!: Repository;

  static async make(): Promise<Vault> {
    const vault = new Vault();
    vault.store.capabilities.objectLock = true;
    vault.store.now = () => vault.clock.now();
    vault.repository = await newRepository(vault.store, { clock: vault.clock });
    return vault;
  }

  pass(ms: number): void {
    this.offsetMs += ms;
  }

  inDays(days: number): Date {
    return new Date(this.clock.now().getTime() + days * DAY);
  }

  locked(prefix: string): string[] {
    return this.store.names(prefix).filter((name) => (this.store.lockedUntil.get(name) ?? 0) > this.clock.now());
  }

  /** Retention and collections, as they run day by day. */
  async liveOn(days: number): Promise<void> {
    for (let day = 0; day < days; day++) {
      this.pass(DAY);
      await this.repository.collect();
    }
  }
}

describe('a lock of snapshots', () => {
  let vault: Vault;
  beforeEach(async () => {
    vault = await Vault.make();
    await writeContent(vault.repository, 'backup_old');
    await backUp(vault.repository, 'backup_more', MORE);
    await backUp(vault.repository, 'backup_other', { rows: noise(90_000, 7) });
  });

  it('holds all that they need to be restored, and nothing else', async () => {
    const until = vault.inDays(30);
    const report = await vault.repository.lock({ until, snapshots: ['backup_more'] });
    expect(report).toMatchObject({ dryRun: false, snapshots: [{ snapshot: 'backup_more', until: until.toISOString() }], failed: [] });
    expect(vault.locked('')).toHaveLength(report.held.files);
    expect(report.extended).toEqual(report.held);
    expect(vault.locked('snapshots/')).toEqual(['snapshots/backup_more']);
    for (const name of ['rahat.json', 'config', ...vault.store.names('keys/')]) expect(vault.locked('')).toContain(name);
    // Its own pack, and the one of the older backup that it shares rows with.
    expect(vault.locked('packs/')).toHaveLength(2);

    // Whoever may do everything but lift the locks takes the rest away.
    for (const name of [...vault.store.files.keys()]) await vault.store.remove(name).catch(() => undefined);
    const left = await openRepository(vault.store, { type: 'secrets', ...vault.repository.exportSecrets() }, { clock: vault.clock });
    expect(digests(await restore(left, 'backup_more'))).toEqual(digests(MORE));
    expect(await left.repairIndex()).toMatchObject({ missingPacks: [], unreadablePacks: [] });
    expect(await left.check({ level: 'deep' })).toMatchObject({ healthy: true, snapshots: 1 });
  });

  it('says what it would hold, and changes nothing, on a dry run', async () => {
    const dry = await vault.repository.lock({ until: vault.inDays(30), dryRun: true });
    expect(vault.locked('')).toEqual([]);
    expect(vault.store.calls.filter((call) => call.startsWith('lock'))).toEqual([]);
    const real = await vault.repository.lock({ until: new Date(dry.snapshots[0]!.until) });
    expect(real).toEqual({ ...dry, dryRun: false });
    expect(real.held.bytes).toBeGreaterThan(200_000);
    expect(await vault.repository.lock({ dryRun: true })).toMatchObject({ held: real.held, extended: { files: 0, bytes: 0 } });
  });

  it('never shortens, and holds what several need until the last of them', async () => {
    const [late, early] = [vault.inDays(60), vault.inDays(10)];
    await vault.repository.lock({ until: late, snapshots: ['backup_old'] });
    await vault.repository.lock({ until: early });
    const untils = vault.store.names('packs/').map((name) => vault.store.lockedUntil.get(name)!.getTime());
    expect(untils.toSorted()).toEqual([early, early, late, late].map((date) => date.getTime()));
    for (const name of ['config', ...vault.store.names('keys/')]) expect(vault.store.lockedUntil.get(name)).toEqual(late);
  });

  it('that broke off is completed by the next one, which is told nothing but by the storage', async () => {
    const until = vault.inDays(30);
    let calls = 0;
    vault.store.onCall = (operation) => {
      if (operation === 'lock' && ++calls > 2) throw new Error('no answer');
    };
    await expect(vault.repository.lock({ until, snapshots: ['backup_old'] })).rejects.toThrow();
    vault.store.onCall = () => undefined;
    expect(await vault.repository.lock()).toMatchObject({ snapshots: [{ snapshot: 'backup_old' }], failed: [] });
    expect(vault.locked('packs/')).toHaveLength(2);
    expect(await vault.repository.lock()).toMatchObject({ extended: { files: 0 } });
  });

  it('follows what locked snapshots need into other packs', async () => {
    await vault.repository.lock({ until: vault.inDays(300), snapshots: ['backup_old'] });
    const [pack] = vault.locked('packs/');
    // The storage lost it all the same; the next backup of the same data brings it back, in a new pack.
    vault.store.files.delete(pack!);
    expect(await vault.repository.lock()).toMatchObject({ failed: [{ snapshot: 'backup_old' }] });
    await writeContent(vault.repository, 'backup_again');
    await vault.repository.repairIndex();
    expect(await vault.repository.lock()).toMatchObject({ failed: [], extended: { files: 1 } });
    expect(await vault.repository.lock()).toMatchObject({ failed: [], extended: { files: 0 } });
  });

  it('locks the others when one of them is damaged, and tells', async () => {
    const manifest = vault.store.files.get('snapshots/backup_more')!;
    vault.store.files.set('snapshots/backup_more', { ...manifest, bytes: Buffer.from(manifest.bytes).fill(0, 60, 70) });
    const report = await vault.repository.lock({ until: vault.inDays(30) });
    expect(report.failed).toMatchObject([{ snapshot: 'backup_more' }]);
    expect(report.snapshots).toHaveLength(3);
    expect(vault.locked('snapshots/')).toHaveLength(3);
    expect(vault.locked('packs/').length).toBeGreaterThanOrEqual(3);
  });

  it('refuses what cannot be: a storage without locks, a time that is over, a snapshot that is not there', async () => {
    const plain = await newRepository(new MemoryStore());
    await expect(plain.lock({ until: vault.inDays(1) })).rejects.toMatchObject({ code: 'invalid_input' });
    await expect(vault.repository.lock({ until: vault.inDays(-1) })).rejects.toMatchObject({ code: 'invalid_input' });
    await expect(vault.repository.lock({ until: vault.inDays(1), snapshots: ['backup_x'] })).rejects.toMatchObject({
      code: 'snapshot_not_found',
    });
    expect(vault.locked('')).toEqual([]);
    expect(vault.store.names('leases/')).toEqual([]);
  });
});

describe('a repository with locked snapshots', () => {
  it('keeps them from retention, and says until when', async () => {
    const vault = await Vault.make();
    await writeContent(vault.repository, 'backup_old');
    const until = vault.inDays(30);
    await vault.repository.lock({ until });
    await expect(vault.repository.moveToTrash('backup_old')).rejects.toMatchObject({
      code: 'storage_locked',
      message: expect.stringContaining(until.toISOString()),
    });
    expect(vault.store.names('trash/')).toEqual([]);
    vault.pass(31 * DAY);
    await vault.repository.moveToTrash('backup_old');
    await vault.liveOn(12);
    expect(vault.store.names('packs/')).toEqual([]);
  });

  it('deletes what nobody needs any more when its lock is over, and frees at once what was never locked', async () => {
    const vault = await Vault.make();
    await writeContent(vault.repository, 'backup_old');
    const [oldPack] = vault.store.names('packs/');
    await vault.repository.lock({ until: vault.inDays(30) });
    await backUp(vault.repository, 'backup_free', { rows: noise(90_000, 7) });
    // A lock that outlives its snapshot: only the manifest's is over.
    vault.store.lockedUntil.delete('snapshots/backup_old');
    for (const id of ['backup_old', 'backup_free']) await vault.repository.moveToTrash(id);
    await vault.liveOn(12);
    expect(vault.store.names('packs/')).toContain(oldPack);
    expect(vault.locked('packs/')).toEqual(vault.store.names('packs/'));
    expect(await vault.repository.collect()).toMatchObject({ locked: { packs: 2 }, condemned: { dead: { packs: 0 } } });
    await vault.liveOn(20);
    expect(vault.store.names('packs/')).toEqual([]);
    expect(vault.store.names('collections/')).toEqual([]);
    expect(await vault.repository.check({ level: 'deep' })).toMatchObject({ healthy: true, problems: [] });
  });

  it('keeps a deletion that the lock refuses in its collection, deletes the others, and tries again', async () => {
    const vault = await Vault.make();
    await backUp(vault.repository, 'backup_one', { rows: noise(90_000, 3) });
    await backUp(vault.repository, 'backup_two', { rows: noise(90_000, 4) });
    const [one] = vault.store.names('packs/');
    for (const id of ['backup_one', 'backup_two']) await vault.repository.moveToTrash(id);
    vault.pass(8 * DAY);
    expect(await vault.repository.collect()).toMatchObject({ condemned: { dead: { packs: 2 } }, locked: { packs: 0 } });
    // Somebody locks it by the storage's own means, after it was condemned.
    await vault.store.extendLock(one!, vault.inDays(5));
    vault.pass(25 * HOUR);
    expect(await vault.repository.collect({ dryRun: true })).toMatchObject({ deleted: { packs: 1 }, locked: { packs: 1 } });
    expect(await vault.repository.collect()).toMatchObject({ deleted: { packs: 1 }, locked: { packs: 1 } });
    expect(vault.store.names('packs/')).toEqual([one]);
    expect(vault.store.names('collections/')).toHaveLength(1);
    // Nobody counts on it meanwhile.
    const again = await backUp(vault.repository, 'backup_again', { rows: noise(90_000, 3) });
    expect(again.addedBytes).toBeGreaterThan(90_000);
    vault.pass(5 * DAY);
    expect(await vault.repository.collect()).toMatchObject({ deleted: { packs: 1 }, locked: { packs: 0 } });
    expect(vault.store.names('collections/')).toEqual([]);
    expect(digests(await restore(vault.repository, 'backup_again'))).toEqual(digests({ rows: noise(90_000, 3) }));
  });

  it('goes on where the storage locks every file for a while by itself', async () => {
    const vault = await Vault.make();
    const put = vault.store.put.bind(vault.store);
    vault.store.put = async (name, ...rest) => {
      await put(name, ...rest);
      await vault.store.extendLock(name, vault.inDays(3));
    };
    await writeContent(vault.repository, 'backup_old');
    await vault.liveOn(5);
    await vault.repository.moveToTrash('backup_old');
    await backUp(vault.repository, 'backup_new', MORE);
    await vault.liveOn(20);
    expect(await vault.repository.check({ level: 'deep' })).toMatchObject({ healthy: true, snapshots: 1 });
    expect(digests(await restore(vault.repository, 'backup_new'))).toEqual(digests(MORE));
    expect(vault.store.names('trash/')).toEqual([]);
  });
});

/** Real clocks, so that locks last for seconds. */
async function outlivesItsLock(store: BlobStore): Promise<void> {
  const repository = await newRepository(store);
  await writeContent(repository, 'backup_old');
  await backUp(repository, 'backup_free', { rows: noise(90_000, 7) });
  const until = new Date(Math.ceil(Date.now() / 1000) * 1000 + HOUR);
  const report = await repository.lock({ until, snapshots: ['backup_old'] });
  expect(report).toMatchObject({ snapshots: [{ snapshot: 'backup_old', until: until.toISOString() }], failed: [] });
  await expect(repository.moveToTrash('backup_old')).rejects.toMatchObject({ code: 'storage_locked' });
  for (const name of await listedNames(store)) await store.remove(name).catch(() => undefined);
  const left = await openRepository(store, { type: 'secrets', ...repository.exportSecrets() });
  expect(digests(await restore(left, 'backup_old'))).toEqual(digests(OLD));
  expect(await listedNames(store, 'snapshots/')).toEqual(['snapshots/backup_old']);
  expect(await left.lock()).toMatchObject({ held: report.held, extended: { files: 0, bytes: 0 }, failed: [] });
}

it('locks on the store of the conformance suite', () => outlivesItsLock(new LockingStore()));

(hasS3('moto') ? it : it.skip)('locks in a bucket with object lock', async () => {
  await using server = await startS3('moto');
  await server.createBucket('locked', { objectLock: true });
  await outlivesItsLock(await openS3Store(s3Connection(server, 'locked')));
});

describe('a lock of logs', () => {
  it('holds them and their packs like those of snapshots, and they are taken away when it ends', async () => {
    const vault = await Vault.make();
    await backUp(vault.repository, 'backup_1', MORE);
    await follow(vault.repository, [0, 1000, 2000]);
    const [first, second] = vault.store.names('logs/') as [string, string];
    const report = await vault.repository.lock({ until: vault.inDays(3), snapshots: [second] });
    expect(report).toMatchObject({ snapshots: [{ snapshot: second }], failed: [] });
    expect([vault.locked('logs/'), vault.locked('packs/').length, vault.locked('snapshots/')]).toEqual([[second], 1, []]);
    await expect(vault.repository.removeLogsBefore(STREAM, position(2000))).rejects.toMatchObject({ code: 'storage_locked' });
    expect([vault.store.names('logs/'), vault.store.names('trash/')]).toEqual([[second], [`trash/${first}`]]);
    await vault.repository.moveToTrash('backup_1');
    await vault.liveOn(2);
    expect(vault.locked('packs/')).toHaveLength(1);
    // All that stands, without naming it.
    expect(await vault.repository.lock({ until: vault.inDays(1) })).toMatchObject({ snapshots: [{ snapshot: second }] });
    vault.pass(2 * DAY);
    await vault.repository.removeLogsBefore(STREAM, position(2000));
    await vault.liveOn(10);
    expect([vault.store.names('logs/'), vault.store.names('trash/'), vault.store.names('packs/')]).toEqual([[], [], []]);
  });
});
