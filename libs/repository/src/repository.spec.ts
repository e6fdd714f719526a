import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { LocalStore } from '@rahat/blob-store-local';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { openRepository } from './open-repository.js';
import {
  backUp,
  collect,
  describing,
  digests,
  newRepository,
  noise,
  PASSPHRASE,
  pieces,
  restore,
  snapshotFacts,
} from './testing/builders.js';
import { MemoryStore } from './testing/memory-store.js';

describe('a repository', () => {
  it('gives back what was committed, through the passphrase alone', async () => {
    const store = new MemoryStore();
    const objects = { 'rows/public/"or ders"': noise(6_000_000), 'ddl/şema': Buffer.from('create table t ()'), empty: Buffer.alloc(0) };
    await backUp(await newRepository(store), 'backup_1', objects);

    const opened = await openRepository(store, { type: 'passphrase', passphrase: PASSPHRASE });
    expect(digests(await restore(opened, 'backup_1'))).toEqual(digests(objects));
    expect(await opened.check({ level: 'deep' })).toMatchObject({ healthy: true, snapshots: 1, orphanPacks: 0, problems: [] });
    expect(store.names('leases/')).toEqual([]);
  });

  it('works on a local folder as well', async () => {
    const path = await mkdtemp(join(tmpdir(), 'rahat-repository-'));
    try {
      const store = new LocalStore({ driver: 'local', path });
      const objects = { a: noise(2_000_000), b: Buffer.from('small') };
      const repository = await newRepository(store);
      const manifest = await backUp(repository, 'backup_1', objects);
      expect((await backUp(repository, 'backup_2', objects)).addedBytes).toBe(0);
      expect(digests(await restore(repository, 'latest'))).toEqual(digests(objects));
      expect(await repository.check({ level: 'deep' })).toMatchObject({ healthy: true, snapshots: 2 });
      expect(await repository.stats()).toMatchObject({ snapshots: 2, packs: 1, logicalBytes: manifest.sizeBytes * 2 });
    } finally {
      await rm(path, { recursive: true });
    }
  });

  it('gives back any stream, cut into any pieces, of any class', async () => {
    const repository = await newRepository(new MemoryStore());
    await using session = await repository.beginWriting({ writer: 'worker-1', speed: 'fast' });
    const content = new Map<string, Buffer>();
    const streams = fc.record({
      length: fc.oneof(fc.integer({ min: 0, max: 40_000 }), fc.integer({ min: 0, max: 2_500_000 })),
      seed: fc.integer({ min: 0, max: 5 }),
      compressible: fc.boolean(),
      readSize: fc.integer({ min: 100, max: 3_000_000 }),
      class: fc.constantFrom('rows' as const, 'pages' as const, 'log' as const, 'small' as const),
    });
    const objects = await Promise.all(
      fc.sample(streams, { numRuns: 30, seed: 7 }).map((stream, i) => {
        const bytes = noise(stream.length, stream.seed);
        if (stream.compressible) bytes.forEach((byte, at) => (bytes[at] = byte & 3));
        content.set(`object ${i}`, bytes);
        return session.writeObject(describing(`object ${i}`, { class: stream.class }), pieces(bytes, stream.readSize));
      }),
    );
    await session.commit('backup_1', snapshotFacts(), objects);
    await using reader = await repository.beginReading();
    for (const object of objects)
      expect((await collect(reader.readObject(object, { verifyChunks: true }))).equals(content.get(object.key)!)).toBe(true);
  });

  it('stores a second backup after a small change almost for nothing', async () => {
    const repository = await newRepository(new MemoryStore());
    const rows = noise(20_000_000);
    const first = await backUp(repository, 'backup_1', { rows });
    rows.fill('changed', 10_000_000, 10_001_000);
    const second = await backUp(repository, 'backup_2', { rows });
    expect(second.addedBytes).toBeLessThan(first.addedBytes * 0.05);
    expect(digests(await restore(repository, 'backup_2'))).toEqual(digests({ rows }));
  });

  it('takes concurrent objects and sessions, and lets small objects share packs', async () => {
    const store = new MemoryStore();
    const repository = await newRepository(store);
    const content = new Map(Array.from({ length: 40 }, (_, i) => [`object ${i}`, noise(100_000 + i * 7_777, i % 20)]));
    const backUpAll = async (id: string): Promise<void> => {
      await using session = await repository.beginWriting({ writer: id });
      const stored = [...content].map(([key, bytes]) => session.writeObject(describing(key), pieces(bytes, 10_000 + key.length)));
      await session.commit(id, snapshotFacts(), await Promise.all(stored));
    };
    await Promise.all([backUpAll('backup_1'), backUpAll('backup_2')]);
    expect(store.names('packs/')).toHaveLength(2);
    for (const id of ['backup_1', 'backup_2']) expect(digests(await restore(repository, id))).toEqual(digests(Object.fromEntries(content)));
    expect(await repository.check({ level: 'deep' })).toMatchObject({ healthy: true });
  });

  it('writes 20,000 tiny objects in seconds, without a pack for each', async () => {
    const store = new MemoryStore();
    const repository = await newRepository(store);
    await using session = await repository.beginWriting({ writer: 'worker-1' });
    const objects = [];
    for (let i = 0; i < 20_000; i++) objects.push(await session.writeObject(describing(`rows/${i}`), pieces(Buffer.from(`row ${i}`))));
    await session.commit('backup_1', snapshotFacts(), objects);
    expect(store.names('packs/')).toHaveLength(1);
    await using reader = await repository.beginReading();
    expect((await collect(reader.readObject(objects[12_345]!))).toString()).toBe('row 12345');
  }, 30_000);

  it('reads any part of an object', async () => {
    const repository = await newRepository(new MemoryStore());
    const rows = noise(9_000_000);
    const { objects } = await backUp(repository, 'backup_1', { rows });
    await using reader = await repository.beginReading();
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: rows.length }), fc.integer({ min: 0, max: 3_000_000 }), async (offset, wanted) => {
        const length = Math.min(wanted, rows.length - offset);
        const part = await collect(reader.readObject(objects[0]!, { range: { offset, length } }));
        expect(part.equals(rows.subarray(offset, offset + length))).toBe(true);
      }),
      { numRuns: 25 },
    );
    await expect(collect(reader.readObject(objects[0]!, { range: { offset: rows.length, length: 1 } }))).rejects.toMatchObject({
      code: 'invalid_input',
    });
  });

  it('keeps the order of backups that follow each other, however slowly the storage answers', async () => {
    const store = new MemoryStore();
    const repository = await newRepository(store);
    store.onCall = (operation, name) => (name.startsWith('leases/') && operation === 'put' ? setTimeout(300) : undefined);
    await backUp(repository, 'backup_2', { id: noise(10) });
    store.onCall = () => undefined;
    await backUp(repository, 'backup_1', { id: noise(10) });
    expect((await repository.findSnapshot('latest')).snapshot).toBe('backup_1');
  });

  it('lists snapshots oldest first and finds them by id, prefix and as the latest', async () => {
    const store = new MemoryStore();
    const repository = await newRepository(store);
    for (const id of ['backup_0b11aaaa', 'backup_0a22bbbb', 'backup_0c33cccc']) await backUp(repository, id, { id: Buffer.from(id) });
    const ids = async (): Promise<string[]> => {
      const found: string[] = [];
      for await (const { id } of repository.snapshots()) found.push(id);
      return found;
    };
    expect(await ids()).toEqual(['backup_0b11aaaa', 'backup_0a22bbbb', 'backup_0c33cccc']);
    expect((await repository.findSnapshot('0a22bbbb')).snapshot).toBe('backup_0a22bbbb');
    expect((await repository.findSnapshot('latest')).snapshot).toBe('backup_0c33cccc');
    await expect(repository.findSnapshot('backup_0')).rejects.toMatchObject({ code: 'snapshot_not_found' });

    for (let i = 0; i < 2; i++) await repository.moveToTrash('backup_0b11aaaa');
    expect(await ids()).toEqual(['backup_0a22bbbb', 'backup_0c33cccc']);
    expect(await repository.check({ level: 'structure' })).toMatchObject({ healthy: true, orphanPacks: 0 });
    for (let i = 0; i < 2; i++) await repository.restoreFromTrash('backup_0b11aaaa');
    expect(await ids()).toEqual(['backup_0b11aaaa', 'backup_0a22bbbb', 'backup_0c33cccc']);
    expect((await repository.findSnapshot('latest')).snapshot).toBe('backup_0c33cccc');
    await expect(repository.moveToTrash('backup_none')).rejects.toMatchObject({ code: 'snapshot_not_found' });
  });

  it('repeats a commit without a second effect, and refuses other content under the same id', async () => {
    const repository = await newRepository(new MemoryStore());
    await using session = await repository.beginWriting({ writer: 'worker-1' });
    const objects = [await session.writeObject(describing('rows'), pieces(noise(100_000)), () => ({ rows: 5, rowHash: 'ab' }))];
    const manifest = await session.commit('backup_1', snapshotFacts(), objects);
    expect(manifest.objects[0]).toMatchObject({ rows: 5, rowHash: 'ab' });
    expect(await session.commit('backup_1', snapshotFacts(), objects)).toEqual(manifest);
    await using retry = await repository.beginWriting({ writer: 'worker-2' });
    expect(await retry.commit('backup_1', snapshotFacts(), objects)).toEqual(manifest);
    await expect(retry.commit('backup_1', snapshotFacts({ attempt: 2 }), objects)).rejects.toMatchObject({ code: 'conflict' });
  });

  it('keeps an object whose source broke out of every snapshot', async () => {
    const repository = await newRepository(new MemoryStore());
    await using session = await repository.beginWriting({ writer: 'worker-1' });
    async function* broken(): AsyncGenerator<Buffer> {
      yield* pieces(noise(500_000));
      throw new Error('server gone');
    }
    await expect(session.writeObject(describing('rows'), broken())).rejects.toThrow('server gone');
    const again = await session.writeObject(describing('rows'), pieces(noise(500_000)));
    await session.commit('backup_1', snapshotFacts(), [again]);
    expect(digests(await restore(repository, 'backup_1'))).toEqual(digests({ rows: noise(500_000) }));
  });

  it('shares ids of chunks with a sibling and nothing else', async () => {
    const one = await newRepository(new MemoryStore());
    const sibling = await newRepository(new MemoryStore(), { identitySecret: one.exportSecrets().identitySecret });
    const first = await backUp(one, 'backup_1', { rows: noise(300_000) });
    const second = await backUp(sibling, 'backup_1', { rows: noise(300_000) });
    expect(second.objects).toEqual(first.objects);
    expect(sibling.exportSecrets().masterKey.equals(one.exportSecrets().masterKey)).toBe(false);
  });
});
