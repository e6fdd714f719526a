import { createHash, createHmac } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { RahatError } from '@rahat/contracts';
import type { IndexedPack } from '../index/index-segment.js';
import { damagedPackName, packName } from '../layout.js';
import { openRepository } from '../open-repository.js';
import { chunkIdAt } from '../packs/pack-table.js';
import type { Repository } from '../repository.js';
import { backUp, digests, newRepository, noise, PASSPHRASE, restore } from '../testing/builders.js';
import { MaliciousWriter } from '../testing/malicious-writer.js';
import { MemoryStore } from '../testing/memory-store.js';
import { filesOf, reopen } from '../testing/siblings.js';

/** More than 64 chunks: its recipe lies in a metadata pack. */
const CONTENT = { rows: noise(6_000_000), ddl: Buffer.from('create table t ()') };
/** What the source will hold one day; the thief, who reads it too, knows it beforehand. */
const FUTURE = { rows: noise(300_000, 7), notes: noise(60_000, 8) };

let store: MemoryStore;
let owner: Repository;
let thief: MaliciousWriter;

beforeEach(async () => {
  store = new MemoryStore();
  owner = await newRepository(store);
  await backUp(owner, 'backup_1', CONTENT);
  thief = new MaliciousWriter(store, owner.exportWriteOnlyCredential());
});

/** The one thing that matters: a restore gives the right bytes or an error, never others. */
async function restored(id: string, content: Record<string, Buffer>): Promise<'right' | 'refused'> {
  try {
    expect(digests(await restore(await reopen(store), id))).toEqual(digests(content));
    return 'right';
  } catch (error) {
    if (!(error instanceof RahatError)) throw error;
    expect(error.code).toMatch(/^repository_/);
    return 'refused';
  }
}

/** Two chunks of a pack change their places. */
function swapped(pack: IndexedPack, a = 0, b = 1): IndexedPack {
  const chunkIds = Buffer.from(pack.table.chunkIds);
  chunkIds.set(chunkIdAt(pack.table, a), b * 32);
  chunkIds.set(chunkIdAt(pack.table, b), a * 32);
  return { ...pack, table: { ...pack.table, chunkIds } };
}

const idOf = (bytes: Buffer): Buffer => createHmac('sha256', thief.context.keys.chunkId).update(bytes).digest();

/** Claims the ids of what will be backed up for bytes of its own. */
async function poison(content: Record<string, Buffer>): Promise<IndexedPack> {
  const elsewhere = new MemoryStore();
  const sibling = await newRepository(elsewhere, { identitySecret: owner.exportSecrets().identitySecret });
  await backUp(sibling, 'preview', content);
  const preview = await new MaliciousWriter(elsewhere, sibling.exportWriteOnlyCredential()).indexed();
  const rows = preview.flatMap(({ table }) =>
    [...table.chunkLengths].map((length, chunk) => ({ id: Buffer.from(chunkIdAt(table, chunk)), bytes: noise(length, 99 + chunk) })),
  );
  return thief.putPack(rows);
}

describe('a malicious writer with a write-only credential', () => {
  it('that lies in an index segment makes nothing wrong come back, and distrusting it heals', async () => {
    const [data] = await thief.indexed('data');
    const [recipe] = await thief.indexed('metadata');
    const withoutRecipe = { ...recipe!, table: { ...recipe!.table, chunkIds: noise(32) } };
    for (const lie of [swapped(data!), swapped(data!, 3, 40), withoutRecipe]) {
      const segment = await thief.putSegment([lie]);
      await restored('backup_1', CONTENT);
      const report = await owner.distrust({ writer: 'thief' });
      expect(report).toMatchObject({ droppedSegments: [segment], lyingPacks: [], triedPacks: 0, affected: [], snapshots: [] });
      expect(await restored('backup_1', CONTENT)).toBe('right');
    }
    expect(await owner.check({ level: 'deep' })).toMatchObject({ healthy: true, problems: [] });
  });

  it('that lies in an index segment of which the honest one was removed is found out by the pack itself', async () => {
    const [data] = await thief.indexed('data');
    for (const name of store.names('index/')) store.files.delete(name);
    await thief.putSegment([swapped(data!)]);
    expect(await restored('backup_1', CONTENT)).toBe('refused');
    const report = await owner.distrust({ writer: 'thief' });
    expect(report).toMatchObject({ triedPacks: 2, lyingPacks: [], affected: [] });
    expect(await restored('backup_1', CONTENT)).toBe('right');
    expect(await owner.check({ level: 'deep' })).toMatchObject({ healthy: true, problems: [] });
  });

  it('that claims ids of data to come loses backups of it, never restores others, and the next backup after distrusting it heals them', async () => {
    const pack = await poison(FUTURE);
    const segment = await thief.putSegment([pack]);
    expect((await backUp(await reopen(store), 'backup_2', FUTURE)).addedBytes).toBe(0);
    expect(await restored('backup_2', FUTURE)).toBe('refused');
    expect((await owner.check({ level: 'deep' })).healthy).toBe(false);

    const report = await owner.distrust({ writer: 'thief' });
    expect(report).toMatchObject({
      droppedSegments: [segment],
      triedPacks: 1,
      lyingPacks: [{ pack: pack.hash, falseChunks: pack.table.chunkFrames.length, trueChunks: 0 }],
      affected: [{ snapshot: 'backup_2', objects: expect.arrayContaining(['rows', 'notes']) }],
      savedChunks: 0,
    });
    expect(store.files.has(packName(pack.hash))).toBe(false);
    expect(store.files.has(damagedPackName(pack.hash))).toBe(true);
    expect(await restored('backup_1', CONTENT)).toBe('right');
    expect(await restored('backup_2', FUTURE)).toBe('refused');
    expect((await backUp(await reopen(store), 'backup_3', FUTURE)).addedBytes).toBeGreaterThan(300_000);
    for (const id of ['backup_2', 'backup_3']) expect(await restored(id, FUTURE)).toBe('right');
    expect(await owner.check({ level: 'deep' })).toMatchObject({ healthy: true, problems: [] });
  });

  it('that mixes truth into a lying footer has its truth kept', async () => {
    const honest = noise(50_000, 21);
    const lie = { id: idOf(noise(40_000, 22)), bytes: noise(40_000, 23) };
    const pack = await thief.putPack([{ id: idOf(honest), bytes: honest }, lie]);
    await thief.putSegment([pack]);
    await backUp(await reopen(store), 'backup_2', { notes: honest });
    expect(await restored('backup_2', { notes: honest })).toBe('right');
    const report = await owner.distrust({ writer: 'thief' });
    expect(report).toMatchObject({ lyingPacks: [{ falseChunks: 1, trueChunks: 1 }], savedChunks: 1, affected: [] });
    expect(store.files.has(packName(pack.hash))).toBe(false);
    expect(await restored('backup_2', { notes: honest })).toBe('right');
  });

  it('that seals frames which are none, or tables beyond all bounds, does not stop a check or the distrust', async () => {
    const id = idOf(Buffer.from('x'));
    const content = { plaintext: Buffer.alloc(1000), chunkIds: [id], chunkLengths: [1000] };
    const noZstd = await thief.putFrame(content, noise(500, 5));
    const huge = await thief.putFrame({ plaintext: { length: 2 ** 31 } as Buffer, chunkIds: [id], chunkLengths: [2 ** 31] }, noise(500, 5));
    await thief.putSegment([noZstd]);
    expect((await owner.check({ level: 'deep' })).problems).toContainEqual(expect.objectContaining({ file: packName(noZstd.hash) }));
    const { lyingPacks } = await owner.distrust({ writer: 'thief' });
    expect(lyingPacks.map(({ pack }) => pack).sort()).toEqual([noZstd.hash, huge.hash].sort());
    expect(await owner.check({ level: 'deep' })).toMatchObject({ healthy: true, problems: [] });
  });

  it('that lies in a manifest gets its snapshot named, and nothing of it is restored', async () => {
    const manifest = await owner.findSnapshot('backup_1');
    const [rows, ddl] = manifest.objects;
    const other = { sizeBytes: ddl!.sizeBytes, sha256: createHash('sha256').update('drop table t').digest('hex') };
    const lies = {
      hash: [rows!, { ...ddl!, sha256: other.sha256 }],
      size: [rows!, { ...ddl!, sizeBytes: 5 }],
      recipe: [rows!, { ...ddl!, recipe: { chunks: [[idOf(Buffer.from('nowhere')).toString('hex'), 17]] as [string, number][] } }],
      exchange: [{ ...rows!, recipe: ddl!.recipe }, ddl!],
    };
    for (const [lie, objects] of Object.entries(lies)) {
      await thief.putManifest({ ...manifest, snapshot: `forged_${lie}`, objects });
      expect(await restored(`forged_${lie}`, CONTENT)).toBe('refused');
    }
    await thief.putManifest({ ...manifest, snapshot: 'forged_consistent' });
    const report = await owner.distrust({ writer: 'thief' });
    expect(report.snapshots).toEqual(
      expect.arrayContaining([
        ...['hash', 'size', 'recipe'].map((lie) => expect.objectContaining({ snapshot: `forged_${lie}`, falseObjects: ['ddl'] })),
        expect.objectContaining({ snapshot: 'forged_exchange', falseObjects: ['rows'] }),
        { snapshot: 'forged_consistent', consistent: true, falseObjects: [] },
      ]),
    );
    expect(report.snapshots).toHaveLength(5);
    // Nothing in a repair removes a manifest; people do.
    expect(store.names('snapshots/')).toHaveLength(6);
    expect(await restored('backup_1', CONTENT)).toBe('right');
  });

  it('that writes under the name of another, or of a repair, is found by distrusting everyone', async () => {
    const pack = await poison(FUTURE);
    for (const name of ['worker-1', 'repair', 'collector']) {
      thief.name = name;
      await thief.putSegment([pack]);
    }
    await backUp(await reopen(store), 'backup_2', FUTURE);
    expect((await owner.distrust({ writer: 'thief' })).lyingPacks).toEqual([]);
    const report = await owner.distrust('everyone');
    expect(report.lyingPacks).toMatchObject([{ pack: pack.hash }]);
    expect(report.affected).toMatchObject([{ snapshot: 'backup_2' }]);
    expect(report.snapshots.map(({ snapshot, consistent }) => [snapshot, consistent])).toEqual([
      ['backup_1', true],
      ['backup_2', false],
    ]);
    expect(await restored('backup_1', CONTENT)).toBe('right');
  });

  it('whose lie a collector or a repair took over from a footer is found all the same', async () => {
    const pack = await poison(FUTURE);
    await owner.repairIndex();
    await backUp(await reopen(store), 'backup_2', FUTURE);
    const report = await owner.distrust({ writer: 'thief' });
    expect(report.lyingPacks).toMatchObject([{ pack: pack.hash }]);
    expect(report.affected).toMatchObject([{ snapshot: 'backup_2' }]);
  });
});

describe('distrusting a writer', () => {
  it('of honest work keeps everything, and done twice changes nothing', async () => {
    await backUp(await reopen(store), 'backup_2', FUTURE);
    const packs = store.names('packs/');
    const report = await owner.distrust({ writer: 'worker-1' });
    expect(report).toMatchObject({ writers: ['worker-1'], lyingPacks: [], affected: [], triedPacks: packs.length, openSessions: [] });
    expect(report.snapshots.map(({ consistent }) => consistent)).toEqual([true, true]);
    expect(store.names('packs/')).toEqual(packs);
    const index = store.names('index/');
    expect(await owner.distrust({ writer: 'worker-1' })).toMatchObject({ droppedSegments: [], lyingPacks: [] });
    expect(store.names('index/')).toEqual(index);
    expect(await restored('backup_1', CONTENT)).toBe('right');
    expect(await owner.check({ level: 'deep' })).toMatchObject({ healthy: true, problems: [] });
  });

  it('says beforehand what it would do, and writes nothing then', async () => {
    const pack = await poison(FUTURE);
    await thief.putSegment([pack]);
    await backUp(await reopen(store), 'backup_2', FUTURE);
    const before = store.names('').filter((name) => !name.startsWith('leases/'));
    const said = await owner.distrust({ writer: 'thief' }, { dryRun: true });
    expect(store.names('').filter((name) => !name.startsWith('leases/'))).toEqual(before);
    const { dryRun: _said, ...wouldDo } = said;
    const { dryRun: _done, ...did } = await owner.distrust({ writer: 'thief' });
    expect(did).toEqual(wouldDo);
  });

  it('heals also where a local cache holds the lie', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'rahat-distrust-'));
    try {
      const cached = (): Promise<Repository> =>
        openRepository(store, { type: 'passphrase', passphrase: PASSPHRASE }, { cache: { folder, maxBytes: 1e9 } });
      const [data] = await thief.indexed();
      for (const name of store.names('index/')) store.files.delete(name);
      await thief.putSegment([swapped(data!)]);
      await expect(restore(await cached(), 'backup_1')).rejects.toMatchObject({ code: 'repository_damaged' });
      await owner.distrust({ writer: 'thief' });
      expect(digests(await restore(await cached(), 'backup_1'))).toEqual(digests(CONTENT));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('takes lying packs out of use that a lock of the storage keeps, and says so', async () => {
    const pack = await poison(FUTURE);
    await thief.putSegment([pack]);
    store.onCall = (operation, name) => {
      if (operation === 'remove' && name === packName(pack.hash)) throw new RahatError('storage_locked', 'locked until next year');
    };
    expect(await owner.distrust({ writer: 'thief' })).toMatchObject({ lockedPacks: [pack.hash] });
    expect((await backUp(await reopen(store), 'backup_2', FUTURE)).addedBytes).toBeGreaterThan(300_000);
    expect(await restored('backup_2', FUTURE)).toBe('right');
  });

  it('names the sessions that may rest on the word of the writer', async () => {
    await using session = await owner.beginWriting({ writer: 'worker-2' });
    expect((await owner.distrust({ writer: 'thief' })).openSessions).toEqual(['writer worker-2']);
    expect(session.progress().readBytes).toBe(0);
  });

  it('broken off at any call of the storage loses nothing, and a repetition finishes it', async () => {
    const honest = noise(50_000, 21);
    const pack = await thief.putPack([{ id: idOf(honest), bytes: honest }, ...(await falseChunks())]);
    await thief.putSegment([pack, swapped((await thief.indexed())[0]!)]);
    await backUp(await reopen(store), 'backup_2', { notes: honest });
    const original = filesOf(store);
    for (let failing = 0; ; failing++) {
      store.files.clear();
      for (const [name, file] of original.files) store.files.set(name, file);
      let call = 0;
      store.onCall = () => {
        if (call++ === failing) throw new RahatError('storage_unreachable', 'gone', { retryable: false });
      };
      const failed = await owner.distrust({ writer: 'thief' }).then(
        () => false,
        () => true,
      );
      store.onCall = () => undefined;
      expect(await restored('backup_2', { notes: honest })).toBe('right');
      if (!failed) break;
      await owner.distrust({ writer: 'thief' });
      for (const [id, content] of Object.entries({ backup_1: CONTENT, backup_2: { notes: honest } }))
        expect([failing, id, await restored(id, content)]).toEqual([failing, id, 'right']);
      expect(store.files.has(packName(pack.hash))).toBe(false);
      expect(failing).toBeLessThan(200);
    }
  }, 240_000);

  async function falseChunks(): Promise<{ id: Buffer; bytes: Buffer }[]> {
    return [{ id: idOf(noise(40_000, 22)), bytes: noise(40_000, 23) }];
  }
});
