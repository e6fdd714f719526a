import type * as Jest from '@jest/globals';
import { randomBytes } from 'node:crypto';
import type { BlobStore } from '../blob-store.js';

export interface StoreUnderTest extends AsyncDisposable {
  /** Empty. */
  store: BlobStore;
  /** A second connection to the same place, as another process would have it. */
  another(): Promise<BlobStore>;
}

/** The port's contract as tests; each driver's spec calls it with a real storage. */
export function describeBlobStore(name: string, open: () => Promise<StoreUnderTest>): void {
  // Jest's injected globals: importing the module would forbid using this package's other testing parts outside Jest.
  const { describe, it, expect, beforeEach, afterEach } = globalThis as unknown as typeof Jest;

  describe(`blob store contract: ${name}`, () => {
    let place: StoreUnderTest;
    let store: BlobStore;

    beforeEach(async () => {
      place = await open();
      store = place.store;
    });
    afterEach(async () => place[Symbol.asyncDispose]());

    const names = (prefix: string) => listedNames(store, prefix);

    it('gives back what was put, whole and by range, also to another connection', async () => {
      const body = randomBytes(300_000);
      await store.put('packs/0a/one', body);
      expect((await store.get('packs/0a/one')).equals(body)).toBe(true);
      const other = await place.another();
      expect((await other.get('packs/0a/one', { offset: 1000, length: 70_000 })).equals(body.subarray(1000, 71_000))).toBe(true);
      expect(await other.get('packs/0a/one', { offset: 300_000, length: 0 })).toHaveLength(0);
    });

    it('keeps an empty blob', async () => {
      await store.put('empty', Buffer.alloc(0));
      expect(await store.get('empty')).toHaveLength(0);
      expect((await store.stat('empty'))?.sizeBytes).toBe(0);
    });

    it('replaces a blob as a whole, whatever the sizes', async () => {
      await store.put('leases/a', Buffer.from('a longer first body'));
      await store.put('leases/a', Buffer.from('short'));
      expect((await store.get('leases/a')).toString()).toBe('short');
      expect((await store.stat('leases/a'))?.sizeBytes).toBe(5);
    });

    it('lets exactly one of several conditional puts win, and tells the others', async () => {
      if (!store.capabilities.conditionalPut) return;
      const bodies = Array.from({ length: 8 }, (_, index) => Buffer.from(`writer ${index}`));
      const outcomes = await Promise.allSettled(bodies.map((body) => store.put('snapshots/s', body, { ifAbsent: true })));
      const winners = outcomes.flatMap((outcome, index) => (outcome.status === 'fulfilled' ? [index] : []));
      expect(winners).toHaveLength(1);
      for (const outcome of outcomes) if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'blob_exists' });
      expect((await store.get('snapshots/s')).toString()).toBe(`writer ${winners[0]}`);
    });

    it('never shows a part of a blob while it is put', async () => {
      const bodies = [Buffer.alloc(2_000_000, 'a'), Buffer.alloc(1_500_000, 'b')];
      await store.put('config', bodies[0]!);
      const reader = await place.another();
      let writing = true;
      const writer = (async () => {
        for (let round = 1; round < 12; round += 1) await store.put('config', bodies[round % 2]!);
        writing = false;
      })();
      while (writing) {
        const seen = await reader.get('config');
        expect(bodies.some((body) => body.equals(seen))).toBe(true);
      }
      await writer;
    });

    it('says that a blob is missing', async () => {
      await expect(store.get('packs/none')).rejects.toMatchObject({ code: 'blob_not_found' });
      await expect(store.get('packs/none', { offset: 0, length: 1 })).rejects.toMatchObject({ code: 'blob_not_found' });
      expect(await store.stat('packs/none')).toBeUndefined();
    });

    it('refuses a range beyond the end instead of giving fewer bytes', async () => {
      await store.put('packs/short', Buffer.from('ten bytes!'));
      await expect(store.get('packs/short', { offset: 4, length: 7 })).rejects.toMatchObject({ code: 'repository_damaged' });
      await expect(store.get('packs/short', { offset: 11, length: 1 })).rejects.toMatchObject({ code: 'repository_damaged' });
    });

    it('lists by plain string prefix, in order of name over folder borders, with sizes and times', async () => {
      const all = ['a-b', 'a.b', 'a/b', 'a/c/d', 'a0', 'ab/c', 'b', 'logs/s/1_2', 'logs/s-2/1_2'];
      for (const entry of [...all].reverse()) await store.put(entry, Buffer.from(entry));
      expect(await names('')).toEqual([...all].sort());
      expect(await names('a')).toEqual(['a-b', 'a.b', 'a/b', 'a/c/d', 'a0', 'ab/c']);
      expect(await names('a/')).toEqual(['a/b', 'a/c/d']);
      expect(await names('a/c')).toEqual(['a/c/d']);
      expect(await names('logs/s')).toEqual(['logs/s-2/1_2', 'logs/s/1_2']);
      expect(await names('nothing/here')).toEqual([]);
      for await (const entry of store.list('logs/s/')) {
        expect(entry.sizeBytes).toBe('logs/s/1_2'.length);
        expect(Math.abs(entry.modifiedAt.getTime() - Date.now())).toBeLessThan(60_000);
      }
    });

    it('lists nothing when nothing was put', async () => {
      expect(await names('')).toEqual([]);
    });

    it('lists a new blob within the declared lag', async () => {
      await store.put('index/new', Buffer.from('x'));
      await new Promise((resolve) => setTimeout(resolve, store.capabilities.listLagMs));
      expect(await names('index/')).toEqual(['index/new']);
    });

    it('removes, and removing again changes nothing', async () => {
      await store.put('trash/x', Buffer.from('x'));
      await store.remove('trash/x');
      await store.remove('trash/x');
      await store.remove('never/there');
      expect(await store.stat('trash/x')).toBeUndefined();
      expect(await names('trash/')).toEqual([]);
    });

    it('refuses names that could leave their place', async () => {
      const bad = [
        '',
        '/etc/passwd',
        '../x',
        'a/../b',
        'a//b',
        'a/',
        './a',
        '.hidden',
        'UPPER',
        'a b',
        'ä',
        'a\u0000b',
        'a\\b',
        'x'.repeat(201),
      ];
      for (const entry of bad) {
        await expect(store.put(entry, Buffer.from('x'))).rejects.toMatchObject({ code: 'invalid_input' });
        await expect(store.get(entry)).rejects.toMatchObject({ code: 'invalid_input' });
        await expect(store.stat(entry)).rejects.toMatchObject({ code: 'invalid_input' });
        await expect(store.remove(entry)).rejects.toMatchObject({ code: 'invalid_input' });
      }
      await expect(names('../')).rejects.toMatchObject({ code: 'invalid_input' });
      expect(await names('')).toEqual([]);
    });

    it('keeps a name of 200 bytes', async () => {
      const longest = `${'a'.repeat(99)}/${'b'.repeat(100)}`;
      await store.put(longest, Buffer.from('x'));
      expect(await names(longest)).toEqual([longest]);
    });

    it('does nothing for a caller that has given up', async () => {
      const signal = AbortSignal.abort();
      await expect(store.put('late', Buffer.from('x'), { signal })).rejects.toMatchObject({ code: 'cancelled' });
      await expect(store.get('late', undefined, { signal })).rejects.toMatchObject({ code: 'cancelled' });
      expect(await store.stat('late')).toBeUndefined();
    });
  });
}

export async function listedNames(store: BlobStore, prefix = ''): Promise<string[]> {
  const names: string[] = [];
  for await (const entry of store.list(prefix)) names.push(entry.name);
  return names;
}
