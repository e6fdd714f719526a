import { beforeAll, describe, expect, it } from '@jest/globals';
import { packHash } from '../layout.js';
import { openPackDirectory } from '../packs/pack-reader.js';
import type { Repository } from '../repository.js';
import { backUp, digests, newRepository, noise, restore } from '../testing/builders.js';
import { contextOf, flip, PLACES, putFiles, storedFiles } from '../testing/damage.js';
import type { MemoryStore } from '../testing/memory-store.js';
import { CONTENT, filesOf, place, reopen, siblings, writeContent } from '../testing/siblings.js';

const EXPECTED = digests(CONTENT);

let sound: MemoryStore;
beforeAll(async () => {
  const { store, repository } = await place();
  await writeContent(repository, 'backup_1');
  await writeContent(repository, 'backup_2', { more: noise(100_000, 9) });
  sound = store;
});

async function damagedBy(damage: (store: MemoryStore) => Promise<unknown> | void): Promise<{ store: MemoryStore; repository: Repository }> {
  const store = filesOf(sound);
  await damage(store);
  return { store, repository: await reopen(store) };
}

const removeAll = (store: MemoryStore, prefix: string): void => store.names(prefix).forEach((name) => store.files.delete(name));
const writesOf = (store: MemoryStore): string[] => store.calls.filter((call) => /^(put|remove) (?!leases)/.test(call));

/** The packs of a kind, largest first. */
function packsOf(store: MemoryStore, repository: Repository, kind: 'data' | 'metadata'): string[] {
  const context = contextOf(repository, store);
  const bytes = (name: string): Buffer => store.files.get(name)!.bytes;
  return store
    .names('packs/')
    .filter((name) => openPackDirectory(context, packHash(name), bytes(name)).kind === kind)
    .toSorted((a, b) => bytes(b).length - bytes(a).length);
}

describe('repair of the index', () => {
  it.each([
    ['is gone', (store: MemoryStore) => removeAll(store, 'index/')],
    ['is damaged', (store: MemoryStore) => flip(store, store.names('index/')[0]!, 70)],
    ['is cut off', (store: MemoryStore) => store.put(store.names('index/')[0]!, Buffer.from('RHTS'))],
    [
      'stands under another name',
      (store: MemoryStore) => {
        const name = store.names('index/')[0]!;
        store.files.set(`index/${'a'.repeat(32)}`, store.files.get(name)!);
        store.files.delete(name);
      },
    ],
  ])('makes the repository whole again where a segment %s', async (_, damage) => {
    const { store, repository } = await damagedBy(damage);
    expect((await repository.check({ level: 'structure' })).healthy).toBe(false);

    store.calls = [];
    const plan = await repository.repairIndex({ dryRun: true });
    expect(plan.addedPacks.length > 0).toBe(true);
    expect(writesOf(store)).toEqual([]);

    const repair = await repository.repairIndex();
    expect(repair).toEqual({ ...plan, dryRun: false, writtenSegments: 1 });
    expect(await repository.check({ level: 'deep' })).toMatchObject({ healthy: true, problems: [] });
    expect(digests(await restore(repository, 'backup_1'))).toEqual(EXPECTED);

    store.calls = [];
    expect(await repository.repairIndex()).toMatchObject({ replacedSegments: [], addedPacks: [], writtenSegments: 0 });
    expect(writesOf(store)).toEqual([]);
  });

  it('forgets a pack that is missing, so that a check tells of the lost chunks only', async () => {
    const { store, repository } = await damagedBy((store) => void store.files.delete(store.names('packs/')[0]!));
    const lost = packHash(sound.names('packs/')[0]!);
    expect(await repository.repairIndex()).toMatchObject({ missingPacks: [lost], unreadablePacks: [] });
    const { problems } = await repository.check({ level: 'structure' });
    expect(problems.map(({ file }) => file).every((file) => file.startsWith('snapshots/'))).toBe(true);
    // The next backup of the same data brings them again.
    await writeContent(repository, 'backup_3', { more: noise(100_000, 9) });
    expect(await repository.check({ level: 'deep' })).toMatchObject({ healthy: true });
    expect(store.names('snapshots/')).toHaveLength(3);
  });

  it('goes on naming a pack whose footer alone is damaged, and says so', async () => {
    const { store, repository } = await damagedBy(async (store) => {
      const name = store.names('packs/')[0]!;
      await flip(store, name, store.files.get(name)!.bytes.length - 20);
      // Another segment must be rewritten, and the damaged pack's stays known all the same.
      await store.put(`index/${'b'.repeat(32)}`, Buffer.from('nonsense'));
    });
    const repair = await repository.repairIndex();
    expect(repair.unreadablePacks).toMatchObject([{ pack: packHash(store.names('packs/')[0]!), indexed: true }]);
    expect(repair.replacedSegments).toMatchObject([{ file: `index/${'b'.repeat(32)}` }]);
    expect(digests(await restore(repository, 'backup_1'))).toEqual(EXPECTED);
  });

  it('leaves segments of a writer alone that come meanwhile', async () => {
    const { store, repository } = await damagedBy((store) => flip(store, store.names('index/')[0]!, 70));
    let written = false;
    store.onCall = async (operation, name) => {
      if (written || operation !== 'list' || name !== 'packs/') return;
      written = true;
      await backUp(await reopen(store), 'backup_3', { other: noise(50_000, 77) });
    };
    await repository.repairIndex();
    expect(written).toBe(true);
    expect(await repository.check({ level: 'deep' })).toMatchObject({ healthy: true, snapshots: 3, problems: [] });
  });
});

describe('repair of packs', () => {
  it('sets a damaged pack aside, saves its sound frames, and lists exactly what is lost', async () => {
    const { store, repository } = await damagedBy(() => undefined);
    await backUp(repository, 'backup_3', { a: noise(1_500_000, 21), b: noise(1_500_000, 22), c: noise(1_500_000, 23) });
    const [damaged] = packsOf(store, repository, 'data');
    const before = store.files.get(damaged!)!.bytes;
    // In its first frame, which holds the beginning of `a`.
    await flip(store, damaged!, 500);
    const bytes = store.files.get(damaged!)!.bytes;

    store.calls = [];
    const plan = await repository.repairPacks({ dryRun: true });
    expect(plan.packs).toMatchObject([{ pack: packHash(damaged!), state: 'damaged', affects: [{ snapshot: 'backup_3', objects: ['a'] }] }]);
    expect(writesOf(store)).toEqual([]);

    const repair = await repository.repairPacks();
    expect(repair.packs).toEqual(plan.packs);
    expect(repair.savedBytes).toBeGreaterThan(3_000_000);
    expect(store.files.has(damaged!)).toBe(false);
    expect(store.files.get(`damaged/${packHash(damaged!)}`)!.bytes.equals(bytes)).toBe(true);

    const readable = await reopen(store);
    const report = await readable.check({ level: 'deep' });
    expect(report.problems.filter(({ severity }) => severity === 'damage').flatMap(({ affects }) => affects)).toEqual([
      { snapshot: 'backup_3', objects: ['a'] },
    ]);
    expect(digests(await restore(readable, 'backup_1'))).toEqual(EXPECTED);
    // Its manifest stays, and the next backup of the same data makes it whole.
    await backUp(readable, 'backup_4', { a: noise(1_500_000, 21) });
    expect(await readable.check({ level: 'deep' })).toMatchObject({ healthy: true, snapshots: 4 });
    expect(before.length).toBe(bytes.length);
  });

  it.each([
    ['cut off', (store: MemoryStore, name: string) => store.put(name, store.files.get(name)!.bytes.subarray(0, 300))],
    ['missing', (store: MemoryStore, name: string) => store.remove(name)],
    ['another file', (store: MemoryStore, name: string) => store.put(name, Buffer.from('not a pack'))],
  ])('clears up after a pack that is %s, and heals by the next backup', async (_, damage) => {
    for (const name of sound.names('packs/')) {
      const { store, repository } = await damagedBy((store) => damage(store, name));
      const repair = await repository.repairPacks({ level: 'structure' });
      expect(repair.packs).toMatchObject([{ pack: packHash(name), affects: expect.anything() }]);
      expect(store.names('snapshots/')).toHaveLength(2);
      expect(await repository.repairPacks()).toMatchObject({ packs: [] });
      await writeContent(await reopen(store), 'backup_3', { more: noise(100_000, 9) });
      expect(await repository.check({ level: 'deep' })).toMatchObject({ healthy: true, snapshots: 3 });
    }
  });

  it('loses nothing where the footer alone is damaged', async () => {
    for (const name of sound.names('packs/')) {
      const { repository } = await damagedBy((store) => flip(store, name, store.files.get(name)!.bytes.length - 20));
      expect((await repository.repairPacks({ level: 'read-data' })).packs).toHaveLength(1);
      expect(await repository.check({ level: 'deep' })).toMatchObject({ healthy: true });
      expect(digests(await restore(repository, 'backup_1'))).toEqual(EXPECTED);
    }
  });

  it('changes nothing in a sound repository', async () => {
    const { store, repository } = await damagedBy(() => undefined);
    expect(await repository.repairPacks()).toEqual({ dryRun: false, packs: [], savedChunks: 0, savedBytes: 0 });
    expect(writesOf(store)).toEqual([]);
  });
});

describe('healing from a sibling', () => {
  async function pair(): Promise<{ store: MemoryStore; repository: Repository; sibling: Repository; siblingStore: MemoryStore }> {
    const [here, there] = await siblings();
    for (const { repository } of [here, there]) await writeContent(repository, 'backup_1');
    return { ...here, sibling: there.repository, siblingStore: there.store };
  }

  it('brings every chunk of lost packs, of data and of recipes', async () => {
    const { store, repository, sibling } = await pair();
    removeAll(store, 'packs/');
    expect((await repository.check({ level: 'structure' })).healthy).toBe(false);
    const plan = await repository.healFrom(sibling, { dryRun: true });
    expect(plan).toMatchObject({ dryRun: true, healedChunks: 0, remaining: [] });
    const healed = await repository.healFrom(sibling);
    expect(healed).toMatchObject({ missingChunks: plan.missingChunks, healedChunks: plan.missingChunks, remaining: [] });
    expect(await repository.check({ level: 'deep' })).toMatchObject({ healthy: true });
    expect(digests(await restore(repository, 'backup_1'))).toEqual(EXPECTED);
    expect(await repository.healFrom(sibling)).toMatchObject({ missingChunks: 0, healedChunks: 0, remaining: [] });
  });

  it('brings what is damaged within a pack, found at level deep', async () => {
    const { store, repository, sibling } = await pair();
    const [largest] = packsOf(store, repository, 'data');
    await flip(store, largest!, 300);
    const healed = await repository.healFrom(sibling, { level: 'deep' });
    expect(healed.healedChunks).toBeGreaterThan(0);
    expect(digests(await restore(repository, 'backup_1'))).toEqual(EXPECTED);
    await repository.repairPacks();
    expect(await repository.check({ level: 'deep' })).toMatchObject({ healthy: true });
  });

  it('says what the sibling could not give, and takes no wrong byte from it', async () => {
    const { store, repository, sibling, siblingStore } = await pair();
    removeAll(store, 'packs/');
    for (const name of packsOf(siblingStore, sibling, 'data')) await flip(siblingStore, name, 200);
    const healed = await repository.healFrom(sibling);
    expect(healed.missingChunks).toBeGreaterThan(healed.healedChunks);
    expect(healed.remaining.flatMap(({ snapshot }) => snapshot)).toEqual(['backup_1']);
    const { problems } = await repository.check({ level: 'deep' });
    expect(
      problems
        .filter(({ severity }) => severity === 'damage')
        .flatMap(({ affects }) => affects.flatMap(({ objects }) => objects))
        .sort(),
    ).toEqual(healed.remaining[0]!.objects.toSorted());
  });

  it('refuses a repository that is no sibling, and itself', async () => {
    const [{ repository }] = await siblings();
    const { repository: stranger } = await place();
    await expect(repository.healFrom(stranger)).rejects.toMatchObject({
      code: 'invalid_input',
      hint: expect.stringContaining('identity secret'),
    });
    await expect(repository.healFrom(repository)).rejects.toMatchObject({ code: 'invalid_input' });
  });
});

describe.each(Object.entries(PLACES))('repair in %s', (_, makePlace) => {
  it('goes from total loss of the index and a damaged pack to a whole repository', async () => {
    await using here = await makePlace();
    await using there = await makePlace();
    const repository = await newRepository(here.store);
    const sibling = await newRepository(there.store, { identitySecret: repository.exportSecrets().identitySecret });
    await writeContent(repository, 'backup_1');
    await repository.copyTo(sibling);
    const files = await storedFiles(here.store);
    const packs = [...files.keys()].filter((name) => name.startsWith('packs/'));
    await putFiles(here.store, new Map([[packs[0]!, Buffer.from('gone')]]));
    for (const name of files.keys()) if (name.startsWith('index/')) await here.store.remove(name);

    await repository.repairIndex();
    await repository.repairPacks();
    await repository.healFrom(sibling);
    expect(await repository.check({ level: 'deep' })).toMatchObject({ healthy: true });
    expect(digests(await restore(repository, 'backup_1'))).toEqual(EXPECTED);
  });
});
