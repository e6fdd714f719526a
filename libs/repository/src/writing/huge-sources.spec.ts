import { describe, expect, it } from '@jest/globals';
import { SYSTEM_CLOCK } from '../context.js';
import type { Repository } from '../repository.js';
import type { StoredObject } from '../snapshots/manifest.js';
import { collect, describing, newRepository, noise, pieces, snapshotFacts } from '../testing/builders.js';
import { MemoryStore } from '../testing/memory-store.js';

const TB = 1e12;
const DAY = 24 * 3_600_000;
const ROWS = noise(30_000_000);

async function backUp(repository: Repository, id: string, sourceBytes: number, contents: Buffer[]): Promise<StoredObject[]> {
  await using session = await repository.beginWriting({ writer: 'worker-1', sourceBytes });
  const objects: StoredObject[] = [];
  for (const bytes of contents) objects.push(await session.writeObject(describing(`rows/${objects.length}`), pieces(bytes)));
  return (await session.commit(id, snapshotFacts(), objects)).objects;
}

async function restored(repository: Repository, object: StoredObject): Promise<Buffer> {
  await using reader = await repository.beginReading();
  return await collect(reader.readObject(object, { verifyChunks: true }));
}

const averageChunk = ({ recipe, sizeBytes }: StoredObject): number => sizeBytes / ('count' in recipe ? recipe.count : recipe.chunks.length);

describe('rows of huge sources', () => {
  it('are cut 4 times coarser above a terabyte, 16 times above ten', async () => {
    const average = async (sourceBytes: number): Promise<number> => {
      const repository = await newRepository(new MemoryStore());
      const [object] = await backUp(repository, 'backup_1', sourceBytes, [ROWS]);
      expect((await restored(repository, object!)).equals(ROWS)).toBe(true);
      expect(await repository.check({ level: 'deep' })).toMatchObject({ healthy: true, problems: [] });
      return averageChunk(object!);
    };
    const [usual, large, huge] = [await average(TB), await average(TB + 1), await average(10 * TB + 1)];
    expect(large / usual).toBeGreaterThan(3);
    expect(large / usual).toBeLessThan(5);
    expect(huge / usual).toBeGreaterThan(10);
    expect(huge / usual).toBeLessThan(22);
  });

  it('are copied, moved into new packs by a collection, and read back also where a chunk is larger than a usual frame', async () => {
    let offsetMs = 0;
    const store = new MemoryStore();
    store.now = () => new Date(Date.now() + offsetMs);
    const clock = { ...SYSTEM_CLOCK, now: () => store.now(), monotonicMs: () => performance.now() + offsetMs };
    const repository = await newRepository(store, { clock });
    // Nothing in it makes a boundary, so that each chunk has the largest size.
    const even = Buffer.alloc(9_000_000, 'even');
    await backUp(repository, 'backup_all', 20 * TB, [ROWS, even]);
    const [kept] = await backUp(repository, 'backup_even', 20 * TB, [even]);
    expect(averageChunk(kept!)).toBeGreaterThan(2_900_000);

    const sibling = await newRepository(new MemoryStore(), { identitySecret: repository.exportSecrets().identitySecret });
    await repository.copyTo(sibling);
    expect(await sibling.check({ level: 'deep' })).toMatchObject({ healthy: true, snapshots: 2 });

    await repository.moveToTrash('backup_all');
    offsetMs += 8 * DAY;
    expect((await repository.collect()).condemned.sparse.packs).toBeGreaterThan(0);
    offsetMs += 2 * DAY;
    expect((await repository.collect()).deleted.packs).toBeGreaterThan(0);
    expect((await restored(repository, kept!)).equals(even)).toBe(true);
    expect(await repository.check({ level: 'deep' })).toMatchObject({ healthy: true, problems: [] });
  });
});
