import { describe, expect, it } from '@jest/globals';
import { describeBlobStore, FaultyStore, listedNames, LockingStore, MemoryStore, StaleListingStore } from './index.js';

describeBlobStore('memory', async () => {
  const store = new MemoryStore();
  return { store, another: async () => store, [Symbol.asyncDispose]: async () => undefined };
});

describeBlobStore('faulty store without a fault', async () => {
  const store = new FaultyStore(new MemoryStore());
  return { store, another: async () => store, [Symbol.asyncDispose]: async () => undefined };
});

describeBlobStore('store with object lock', async () => {
  const store = new LockingStore();
  return { store, another: async () => store, [Symbol.asyncDispose]: async () => undefined };
});

describeBlobStore('store whose listings lag', async () => {
  const store = new StaleListingStore(new MemoryStore(), 30);
  return { store, another: async () => store, [Symbol.asyncDispose]: async () => undefined };
});

describe('store whose listings lag', () => {
  it('lists new names late and removed ones too long, in order, and answers truly by name', async () => {
    let now = 0;
    const store = new StaleListingStore(new MemoryStore(), 100, () => now);
    for (const name of ['a', 'c']) await store.put(name, Buffer.from(name));
    now = 100;
    await store.put('b', Buffer.from('b'));
    await store.remove('a');
    expect(await listedNames(store)).toEqual(['a', 'c']);
    expect([await store.stat('a'), (await store.stat('b'))?.sizeBytes]).toEqual([undefined, 1]);
    now = 200;
    expect(await listedNames(store)).toEqual(['b', 'c']);
  });
});

describe('faulty store', () => {
  const body = Buffer.from('some bytes');

  it('fails the call that was named, once', async () => {
    const store = new FaultyStore(new MemoryStore()).inject({ on: 'put', name: /^packs\//, nth: 2, kind: 'fail' });
    await store.put('packs/1', body);
    await store.put('index/1', body);
    await expect(store.put('packs/2', body)).rejects.toMatchObject({ code: 'storage_unreachable' });
    await store.put('packs/3', body);
    expect(await listedNames(store)).toEqual(['index/1', 'packs/1', 'packs/3']);
  });

  it('loses an answer after the effect, and a listing in its middle', async () => {
    const store = new FaultyStore(new MemoryStore()).inject({ on: 'put', kind: 'drop-answer' });
    await expect(store.put('a', body)).rejects.toMatchObject({ code: 'storage_unreachable' });
    await store.put('b', body);
    expect(await listedNames(store)).toEqual(['a', 'b']);
    store.inject({ on: 'list', kind: 'drop-answer' });
    await expect(listedNames(store)).rejects.toMatchObject({ code: 'storage_unreachable' });
  });

  it('flips one byte, and runs full', async () => {
    const store = new FaultyStore(new MemoryStore())
      .inject({ on: 'get', kind: 'flip-byte', offset: 0 })
      .inject({ kind: 'full-after', bytes: 15, nth: 99 });
    await store.put('a', body);
    expect((await store.get('a')).toString()).toBe('rome bytes');
    await expect(store.put('b', body)).rejects.toMatchObject({ code: 'storage_full' });
  });

  it('hangs until its caller gives up', async () => {
    const store = new FaultyStore(new MemoryStore()).inject({ on: 'get', kind: 'hang' });
    await expect(store.get('a', undefined, { signal: AbortSignal.timeout(20) })).rejects.toMatchObject({ code: 'cancelled' });
  });
});
