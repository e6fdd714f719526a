import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { RahatError } from '@rahat/contracts';
import type { RepositoryContext } from '../context.js';
import { chunkIdAt } from '../packs/pack-table.js';
import { MemoryStore } from '../testing/memory-store.js';
import { contextOn, putSegment, randomPack } from '../testing/synthetic-index.js';
import { BLOCK_BYTES } from './chunk-rows.js';
import type { IndexedPack } from './index-segment.js';
import { loadIndexForReading } from './load-index.js';
import type { RepositoryIndex } from './repository-index.js';
import { SealedBlocks } from './sealed-blocks.js';

/** More than what the cache leaves in copies of segments. */
const MANY = 17_000;
const FEW = 700;

let folder: string;
let notices: string[];
let store: MemoryStore;
let context: RepositoryContext;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'rahat-index-cache-'));
  notices = [];
  store = new MemoryStore();
  context = contextOn(store, { cache: { folder }, indexMemoryBytes: 4 * BLOCK_BYTES, notice: (message) => notices.push(message) });
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

const own = (): string => join(folder, context.repositoryId.toString('hex'));
const indexFile = (): string => join(own(), 'index');
const fetched = (): number => store.calls.filter((call) => call.startsWith('get index/')).length;

async function load(): Promise<{ index: RepositoryIndex; gets: number }> {
  store.calls = [];
  const index = await loadIndexForReading(context);
  return { index, gets: fetched() };
}

/** Every chunk of the packs, where it should be; `every` picks some of a large pack. */
function expectToHold(index: RepositoryIndex, packs: IndexedPack[], every = 97): void {
  for (const { hash, sizeBytes, kind, table } of packs) {
    const number = index.packNumber(hash)!;
    const { frameOffsets, storedLengths, plainLengths } = table;
    expect(index.packs[number]).toEqual({ hash, sizeBytes, kind, frameOffsets, storedLengths, plainLengths });
    const wrong: number[] = [];
    for (let i = 0; i < table.chunkFrames.length; i += every) {
      const home = index.chunks.get(chunkIdAt(table, i));
      const place = home && [home.pack, home.frame, home.offset, home.length].join();
      if (place !== [number, table.chunkFrames[i], table.chunkOffsets[i], table.chunkLengths[i]].join()) wrong.push(i);
    }
    expect(wrong).toEqual([]);
  }
}

/** A cache file with these packs, and a copied segment with the last one. */
async function warmCache(): Promise<IndexedPack[]> {
  const packs = [randomPack(MANY), randomPack(FEW), randomPack(FEW)];
  await putSegment(context, packs.slice(0, 2));
  (await load()).index.close();
  await putSegment(context, packs.slice(2));
  (await load()).index.close();
  expect(existsSync(indexFile())).toBe(true);
  return packs;
}

describe('the local cache of the index', () => {
  it('fetches no segment again, small or large', async () => {
    const packs = await warmCache();
    const { index, gets } = await load();
    expect(gets).toBe(0);
    expectToHold(index, packs);
    expect(index.chunks.size).toBe(MANY + 2 * FEW);
    expect(notices).toEqual([]);
    index.close();
  });

  it('lets only its user in, and writes nothing in plain', async () => {
    const [pack] = await warmCache();
    expect(statSync(own()).mode & 0o777).toBe(0o700);
    expect(statSync(indexFile()).mode & 0o777).toBe(0o600);
    for (const name of readdirSync(own(), { recursive: true, withFileTypes: true })) {
      if (!name.isFile()) continue;
      const bytes = readFileSync(join(name.parentPath, name.name));
      expect(bytes.includes(chunkIdAt(pack!.table, 5))).toBe(false);
      expect(bytes.includes(pack!.hash)).toBe(false);
    }
  });

  it('takes in what came since, and knows what a session added to it apart from what is cached', async () => {
    const packs = await warmCache();
    const more = randomPack(MANY);
    await putSegment(context, [more]);
    const first = await load();
    expect(first.gets).toBe(1);
    expectToHold(first.index, [...packs, more]);
    const ofSession = randomPack(3 * FEW);
    first.index.addPack(ofSession);
    expectToHold(first.index, [...packs, more, ofSession]);
    first.index.close();
    const second = await load();
    expect(second.gets).toBe(0);
    expectToHold(second.index, [...packs, more]);
    expect(second.index.packNumber(ofSession.hash)).toBeUndefined();
    expect(second.index.chunks.get(chunkIdAt(ofSession.table, 0))).toBeUndefined();
    second.index.close();
  });

  it('forgets packs that no segment names any more, and keeps what a compacted one stands for', async () => {
    const [large, gone, kept] = await warmCache();
    for (const name of store.names('index/')) store.files.delete(name);
    await putSegment(context, [large!, kept!]);
    for (const gets of [1, 0]) {
      const loaded = await load();
      expect(loaded.gets).toBe(gets);
      expectToHold(loaded.index, [large!, kept!]);
      expect(loaded.index.packs).toHaveLength(2);
      expect(loaded.index.chunks.get(chunkIdAt(gone!.table, 1))).toBeUndefined();
      expect(loaded.index.chunks.size).toBe(MANY + FEW);
      loaded.index.close();
    }
  });

  it('believes a new segment that tells otherwise of a pack it knows', async () => {
    const [large, ...others] = await warmCache();
    const honest = { ...large!, table: { ...large!.table, chunkLengths: large!.table.chunkLengths.map((length) => length - 1) } };
    for (const name of store.names('index/')) store.files.delete(name);
    await putSegment(context, [honest, ...others]);
    const { index } = await load();
    expectToHold(index, [honest, ...others]);
    index.close();
  });

  it('is used by two sessions at once, each of which may replace it', async () => {
    const packs = await warmCache();
    const one = await loadIndexForReading(context);
    const more = randomPack(MANY);
    await putSegment(context, [more]);
    const [two, three] = await Promise.all([loadIndexForReading(context), loadIndexForReading(context)]);
    expectToHold(one, packs);
    expectToHold(two, [...packs, more]);
    expectToHold(three, [...packs, more]);
    [one, two, three].forEach((index) => index.close());
    expect(readdirSync(own()).sort()).toEqual(['index', 'segments']);
    expect((await load()).gets).toBe(0);
  });

  it('drops repositories that were not used for longest when all of it is too large', async () => {
    await warmCache();
    const old = own();
    utimesSync(old, new Date(0), new Date(0));
    context = contextOn(store, { cache: { folder, maxBytes: 1_500_000 } });
    store.files.clear();
    const pack = randomPack(MANY);
    await putSegment(context, [pack]);
    (await load()).index.close();
    expect(existsSync(old)).toBe(false);
    expect(existsSync(indexFile())).toBe(true);
  });

  it('does without a file that would be larger than all that is allowed', async () => {
    context = contextOn(store, { cache: { folder, maxBytes: 500_000 } });
    const pack = randomPack(MANY);
    await putSegment(context, [pack]);
    const { index } = await load();
    expectToHold(index, [pack]);
    expect(existsSync(indexFile())).toBe(false);
    index.close();
  });
});

describe('a cache that is damaged', () => {
  const HEADER = 40;
  const FOURTH_BLOCK = HEADER + 3 * (BLOCK_BYTES + 16);
  const IN_FOURTH_BLOCK = 3 * 512 + 4;
  const flip = (position: number): void => {
    const bytes = readFileSync(indexFile());
    bytes[position]! ^= 1;
    writeFileSync(indexFile(), bytes);
  };

  it('is made anew wherever a byte was flipped outside of the rows', async () => {
    const packs = await warmCache();
    const good = readFileSync(indexFile());
    const rows = Math.ceil((MANY + FEW) / 512) * (BLOCK_BYTES + 16) + HEADER;
    for (const position of [0, 9, rows + 5, good.length - 400, good.length - 60, good.length - 1]) {
      writeFileSync(indexFile(), good);
      flip(position);
      notices = [];
      const { index, gets } = await load();
      expect(gets).toBeGreaterThan(0);
      expectToHold(index, packs);
      expect(notices).toEqual([expect.stringContaining('made anew')]);
      index.close();
    }
  });

  it('is made anew after it was cut off anywhere', async () => {
    const packs = await warmCache();
    const good = readFileSync(indexFile());
    for (const length of [0, 10, HEADER, HEADER + 100, good.length >> 1, good.length - 1]) {
      writeFileSync(indexFile(), good);
      truncateSync(indexFile(), length);
      const { index, gets } = await load();
      expect(gets).toBeGreaterThan(0);
      expectToHold(index, packs);
      index.close();
    }
  });

  it('loses no chunk for a reader when a row is flipped: they come from the repository again', async () => {
    // All of them in the file: what is taken in besides is looked for there, and may meet the damage while the index is loaded.
    const packs = [randomPack(MANY), randomPack(FEW), randomPack(FEW)];
    await putSegment(context, packs);
    (await load()).index.close();
    flip(FOURTH_BLOCK + 77);
    const { index } = await load();
    const damaged = chunkIdAt(packs[0]!.table, IN_FOURTH_BLOCK);
    expect(index.chunks.get(damaged)).toBeUndefined();
    expect(notices).toEqual([expect.stringContaining('damaged')]);
    expect(existsSync(indexFile())).toBe(false);
    await index.healing!.adoptUnindexed();
    expectToHold(index, packs, 1);
    expect(index.chunks.size).toBe(MANY + 2 * FEW);
    index.close();
    const again = await load();
    expect(again.gets).toBeGreaterThan(0);
    expectToHold(again.index, packs);
    again.index.close();
  }, 30_000);

  it('is made anew when a flipped row is met while segments are taken in', async () => {
    const packs = await warmCache();
    const alike = randomPack(FEW);
    // A slot tells no more of an id than these bytes, so the row itself is looked at.
    chunkIdAt(packs[0]!.table, IN_FOURTH_BLOCK).copy(alike.table.chunkIds, 0, 0, 8);
    await putSegment(context, [alike]);
    flip(FOURTH_BLOCK + 77);
    const { index } = await load();
    expect(notices).toEqual([expect.stringContaining('damaged')]);
    expect(index.chunks.lostBlocks).toBe(0);
    expectToHold(index, [...packs, alike], 1);
    index.close();
  });

  it('loses no chunk when the file is cut off or overwritten while it is used', async () => {
    const packs = await warmCache();
    const { index } = await load();
    expectToHold(index, packs.slice(1));
    truncateSync(indexFile(), 100_000);
    // Which blocks are still in memory is chance: a look-up may read one for a few bits of another id. But four at most are.
    const { table } = packs[0]!;
    const lacksSome = (): boolean => table.chunkFrames.some((_, i) => !index.chunks.get(chunkIdAt(table, i)));
    expect(lacksSome()).toBe(true);
    do await index.healing!.restoreLostRows();
    while (lacksSome());
    expectToHold(index, packs, 1);
    index.close();
  }, 30_000);

  it('goes on with files that vanished while they were used', async () => {
    const packs = await warmCache();
    const { index } = await load();
    rmSync(folder, { recursive: true });
    expectToHold(index, packs, 7);
    const more = randomPack(MANY);
    index.addPack(more);
    expectToHold(index, [...packs, more], 7);
    index.close();
    const again = await load();
    expectToHold(again.index, packs);
    again.index.close();
  });

  it('fetches a segment again whose copy was damaged', async () => {
    const packs = await warmCache();
    const segments = join(own(), 'segments');
    const [copy] = readdirSync(segments);
    writeFileSync(join(segments, copy!), 'nothing of the kind');
    const { index, gets } = await load();
    expect(gets).toBe(1);
    expectToHold(index, packs);
    index.close();
    expect((await load()).gets).toBe(0);
  });

  it('is refused where it belongs to another repository', async () => {
    await warmCache();
    const foreign = own();
    const copies = readdirSync(join(foreign, 'segments'));
    store.files.clear();
    context = contextOn(store, { cache: { folder }, notice: (message) => notices.push(message) });
    const pack = randomPack(FEW);
    const id = await putSegment(context, [pack]);
    cpSync(foreign, own(), { recursive: true });
    cpSync(join(foreign, 'segments', copies[0]!), join(own(), 'segments', id));
    const { index, gets } = await load();
    expect(gets).toBe(1);
    expect(index.packs).toHaveLength(1);
    expectToHold(index, [pack]);
    expect(notices).toHaveLength(1);
    index.close();
  });

  it('is of use though it is older than the repository: what is missing is fetched', async () => {
    const packs = await warmCache();
    const older = readFileSync(indexFile());
    const more = randomPack(MANY);
    await putSegment(context, [more]);
    (await load()).index.close();
    writeFileSync(indexFile(), older);
    const { index, gets } = await load();
    expect(gets).toBe(2);
    expectToHold(index, [...packs, more]);
    index.close();
  });
});

describe('a cache folder that cannot be used', () => {
  it('is done without, and that is said once', async () => {
    writeFileSync(join(folder, 'file'), '');
    context = { ...context, cache: { folder: join(folder, 'file') } };
    const pack = randomPack(MANY);
    await putSegment(context, [pack]);
    const { index } = await load();
    expectToHold(index, [pack]);
    expect(notices).toEqual([expect.stringContaining('goes on without it')]);
    index.close();
  });

  it('is done without when its disk fills up, at whatever write', async () => {
    const packs = [randomPack(MANY), randomPack(FEW)];
    for (const pack of packs) await putSegment(context, [pack]);
    for (const written of [0, 1, 20, 33, 50, 68]) {
      rmSync(own(), { recursive: true, force: true });
      notices = [];
      let writes = 0;
      const whole = SealedBlocks.prototype.write;
      const write = jest.spyOn(SealedBlocks.prototype, 'write').mockImplementation(function (this: SealedBlocks, ...block) {
        if (writes++ >= written) throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
        whole.apply(this, block);
      });
      const { index } = await load();
      expectToHold(index, packs);
      index.close();
      write.mockRestore();
      expect(notices.length).toBeGreaterThan(0);
      for (const notice of notices) expect(notice).toContain('no space left');
      expect(readdirSync(own())).toEqual(['segments']);
      const again = await load();
      expectToHold(again.index, packs);
      again.index.close();
    }
  });

  it('does not hide that the storage fails', async () => {
    await warmCache();
    store.onCall = (operation) => {
      if (operation === 'list') throw new RahatError('storage_unreachable', 'no network');
    };
    await expect(load()).rejects.toMatchObject({ code: 'storage_unreachable' });
  });
});
