import { describe, expect, it } from '@jest/globals';
import { openRepository } from './open-repository.js';
import { backUp, collect, describing, newRepository, noise, PASSPHRASE, pieces, restore, snapshotFacts } from './testing/builders.js';
import { MemoryStore } from './testing/memory-store.js';

describe('a repository', () => {
  it('gives back what was committed, also through the passphrase alone', async () => {
    const store = new MemoryStore();
    const objects = { 'rows/public/orders': noise(3_000_000), 'ddl/schema': Buffer.from('create table t ()'), empty: Buffer.alloc(0) };
    await backUp(await newRepository(store), 'backup_1', objects);

    const opened = await openRepository(store, { type: 'passphrase', passphrase: PASSPHRASE });
    expect(await restore(opened, 'backup_1')).toEqual(objects);
    expect(await opened.check({ level: 'deep' })).toMatchObject({ healthy: true, snapshots: 1, orphanPacks: 0, problems: [] });
    expect(store.names('leases/')).toEqual([]);
  });

  it('stores a second backup of the same bytes almost for nothing', async () => {
    const store = new MemoryStore();
    const repository = await newRepository(store);
    const rows = noise(20_000_000);
    const first = await backUp(repository, 'backup_1', { rows });
    rows.fill('changed', 10_000_000, 10_001_000);
    const second = await backUp(repository, 'backup_2', { rows });
    expect(second.addedBytes).toBeLessThan(first.addedBytes * 0.05);
    expect(await restore(repository, 'backup_2')).toEqual({ rows });
  });

  it('takes concurrent writers of many objects, which share packs', async () => {
    const store = new MemoryStore();
    const repository = await newRepository(store);
    await using session = await repository.beginWriting({ writer: 'worker-1' });
    const contents = new Map(Array.from({ length: 40 }, (_, i) => [`object ${i}`, noise(100_000 + i * 7_777, i % 20)]));
    const stored = await Promise.all([...contents].map(([key, bytes]) => session.writeObject(describing(key), pieces(bytes, 10_000 + key.length))));
    const manifest = await session.commit('backup_1', snapshotFacts(), stored);
    expect(store.names('packs/')).toHaveLength(1);
    await using reader = await repository.beginReading();
    for (const object of manifest.objects) expect(await collect(reader.readObject(object, { verifyChunks: true }))).toEqual(contents.get(object.key));
  });
});
