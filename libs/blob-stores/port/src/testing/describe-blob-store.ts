import type * as Jest from '@jest/globals';
import { randomBytes } from 'node:crypto';
import type { BlobStore } from '../blob-store.js';

export interface StoreUnderTest extends AsyncDisposable {
  /** Empty. */
  store: BlobStore;
  /** A second connection to the same place, as another process would have it. */
  another(): Promise<BlobStore>;
}

/** Where a server under test itself breaks the contract; the driver's README says so. */
interface Weakness {
  /** A reader may see a mixture of two contents while a blob is replaced. Only leases ever are, and they are authenticated. */
  replaceShowsMixtures?: boolean;
}

/** The port's contract as tests; each driver's spec calls it with a real storage. */
export function describeBlobStore(name: string, open: () => Promise<StoreUnderTest>, weakness: Weakness = {}): void {
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

    /** After the lag that the store declares: from then on a listing must be right. */
    const names = async (prefix: string) => {
      if (store.capabilities.listLagMs > 0) await new Promise((resolve) => setTimeout(resolve, store.capabilities.listLagMs + 1));
      return listedNames(store, prefix);
    };

    it('gives back what was put, whole and by range, also to another connection', async () => {
      const body = randomBytes(300_000);
      await store.put('packs/0a/one', body);
      expect((await store.get('packs/0a/one')).equals(body)).toBe(true);
      const other = await place.another();
      expect((await other.get('packs/0a/one', { offset: 1000, length: 70_000 })).equals(body.subarray(1000, 71_000))).toBe(true);
      expect(await other.get('packs/0a/one', { offset: 300_000, length: 0 })).toHaveLength(0);
    });

    it('gives bytes that are the caller’s own', async () => {
      const body = randomBytes(100_000);
      await store.put('packs/0b/one', body);
      for (const range of [undefined, { offset: 0, length: body.length }]) {
        const given = await store.get('packs/0b/one', range);
        given.fill(0);
        (given.buffer as ArrayBuffer).transfer(0);
        expect((await store.get('packs/0b/one', range)).equals(body)).toBe(true);
      }
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

    it('never shows a part of a new blob while it is put', async () => {
      const body = randomBytes(3_000_000);
      const reader = await place.another();
      for (let round = 0; round < 5; round += 1) {
        const entry = `packs/new-${round}`;
        let writing = true;
        const writer = store.put(entry, body).finally(() => (writing = false));
        while (writing) {
          const seen = await reader.get(entry).catch((error: unknown) => error);
          if (seen instanceof Uint8Array) expect(body.equals(seen)).toBe(true);
          else expect(seen).toMatchObject({ code: 'blob_not_found' });
          for await (const found of reader.list('packs/')) expect(found.sizeBytes).toBe(body.length);
        }
        await writer;
      }
    });

    it('never shows a part of a blob while it is replaced', async () => {
      if (weakness.replaceShowsMixtures) return;
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
      expect(await names('index/')).toEqual(['index/new']);
    });

    it('lists many names completely, each once', async () => {
      const all = Array.from({ length: 25 }, (_, index) => `packs/${String(index).padStart(2, '0')}/${'ab'.repeat(1 + (index % 3))}`);
      await Promise.all(all.map((entry) => store.put(entry, Buffer.from(entry))));
      expect(await names('packs/')).toEqual(all);
    });

    it('keeps the size and the bytes of blobs around the sizes of blocks and packs', async () => {
      for (const size of [1, 4095, 4096, 65_537, 1_048_577]) {
        const body = randomBytes(size);
        await store.put(`packs/${size}`, body);
        expect((await store.stat(`packs/${size}`))?.sizeBytes).toBe(size);
        expect((await store.get(`packs/${size}`, { offset: size - 1, length: 1 })).equals(body.subarray(size - 1))).toBe(true);
        expect((await store.get(`packs/${size}`)).equals(body)).toBe(true);
      }
    });

    it('repeats a put of the same bytes without harm', async () => {
      const body = randomBytes(70_000);
      await Promise.all([1, 2, 3].map(() => store.put('packs/again', body)));
      expect((await store.get('packs/again')).equals(body)).toBe(true);
      expect(await names('packs/')).toEqual(['packs/again']);
    });

    it('refuses to replace by a conditional put, and keeps what stands there', async () => {
      if (!store.capabilities.conditionalPut) return;
      await store.put('snapshots/s', Buffer.from('first'));
      const another = await place.another();
      await expect(another.put('snapshots/s', Buffer.from('second'), { ifAbsent: true })).rejects.toMatchObject({ code: 'blob_exists' });
      expect((await store.get('snapshots/s')).toString()).toBe('first');
      await store.remove('snapshots/s');
      await another.put('snapshots/s', Buffer.from('third'), { ifAbsent: true });
      expect((await store.get('snapshots/s')).toString()).toBe('third');
    });

    it('tells times of one clock, that do not run back', async () => {
      if (!store.capabilities.serverTime) return;
      await store.put('leases/a', Buffer.from('1'));
      const first = (await store.stat('leases/a'))!.modifiedAt.getTime();
      await store.put('leases/b', Buffer.from('2'));
      await store.put('leases/a', Buffer.from('2'));
      const [later, renewed] = [await store.stat('leases/b'), await store.stat('leases/a')];
      expect(later!.modifiedAt.getTime()).toBeGreaterThanOrEqual(first);
      expect(renewed!.modifiedAt.getTime()).toBeGreaterThanOrEqual(later!.modifiedAt.getTime());
    });

    it('keeps what is locked, lets go of it in its time, and never shortens a lock', async () => {
      if (!store.capabilities.objectLock) return;
      const lockedUntil = async (name: string) => (await (await place.another()).stat(name))!.lockedUntil?.getTime();
      const untilMs = Math.ceil(Date.now() / 1000) * 1000 + 2_000;
      await store.put('packs/locked', Buffer.from('x'), { lockUntil: new Date(untilMs) });
      expect(await lockedUntil('packs/locked')).toBe(untilMs);
      await expect(store.remove('packs/locked')).rejects.toMatchObject({ code: 'storage_locked' });
      await store.put('packs/later', Buffer.from('y'));
      expect(await lockedUntil('packs/later')).toBeUndefined();
      await store.extendLock!('packs/later', new Date(untilMs + 3_600_000));
      await store.extendLock!('packs/later', new Date(untilMs));
      expect(await lockedUntil('packs/later')).toBe(untilMs + 3_600_000);
      await expect(store.extendLock!('packs/none', new Date(untilMs))).rejects.toMatchObject({ code: 'blob_not_found' });
      await new Promise((resolve) => setTimeout(resolve, untilMs - Date.now() + 1_100));
      await store.remove('packs/locked');
      await expect(store.remove('packs/later')).rejects.toMatchObject({ code: 'storage_locked' });
      expect(await names('packs/')).toEqual(['packs/later']);
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
