import { describe, expect, it } from '@jest/globals';
import { RahatError } from '@rahat/contracts';
import { RetryingStore } from './retrying-store.js';
import { withRetries, type RetryPolicy } from './retries.js';
import { describeBlobStore, FaultyStore, listedNames, MemoryStore, type Fault } from './testing/index.js';

const POLICY: RetryPolicy = { tries: 4, firstPauseMs: 1, longestPauseMs: 4, deadlineMs: 5_000 };
const body = Buffer.from('some bytes');

describeBlobStore('retrying store before a store that works', async () => {
  const store = new RetryingStore(new MemoryStore(), POLICY);
  return { store, another: async () => store, [Symbol.asyncDispose]: async () => undefined };
});

/** The contract must hold unchanged while every third call fails before or after its effect. */
for (const kind of ['fail', 'drop-answer'] as const) {
  describeBlobStore(`retrying store before a store with ${kind} at every third call`, async () => {
    const faulty = new FaultyStore(new MemoryStore());
    const store = new RetryingStore(faulty, { ...POLICY, tries: 8 });
    for (let nth = 3; nth < 400; nth += 3) faulty.inject({ kind, nth });
    return { store, another: async () => store, [Symbol.asyncDispose]: async () => undefined };
  });
}

function storeWith(...faults: Fault[]) {
  const memory = new MemoryStore();
  const faulty = new FaultyStore(memory);
  for (const fault of faults) faulty.inject(fault);
  return { memory, faulty, store: new RetryingStore(faulty, POLICY) };
}

describe('retrying store', () => {
  it('repeats each call until its trouble has passed', async () => {
    const { store, faulty } = storeWith();
    await store.put('a', body);
    for (const on of ['put', 'get', 'stat', 'list', 'remove'] as const)
      faulty.inject({ on, kind: 'fail' }).inject({ on, nth: 2, kind: 'fail' });
    await store.put('a', body);
    expect((await store.get('a')).equals(body)).toBe(true);
    expect((await store.stat('a'))?.sizeBytes).toBe(body.length);
    expect(await listedNames(store)).toEqual(['a']);
    await store.remove('a');
    expect(faulty.log.filter(({ call }) => call === 'remove')).toHaveLength(3);
  });

  it('gives up after the agreed number of tries, with the last cause', async () => {
    const { store, faulty } = storeWith({ on: 'put', kind: 'fail', always: true });
    await expect(store.put('a', body)).rejects.toMatchObject({ code: 'storage_unreachable', message: expect.stringContaining('Injected') });
    expect(faulty.log).toHaveLength(POLICY.tries);
  });

  it.each(['storage_full', 'storage_permission_denied', 'storage_login_refused', 'blob_not_found', 'repository_damaged'] as const)(
    'does not repeat what no repeating mends: %s',
    async (code) => {
      const { store, faulty } = storeWith({ on: 'get', kind: 'fail', always: true, error: new RahatError(code, 'no') });
      await expect(store.get('a')).rejects.toMatchObject({ code });
      expect(faulty.log).toHaveLength(1);
    },
  );

  it('takes a conditional put for done whose answer was lost, if the same bytes stand there', async () => {
    const { store, memory } = storeWith({ on: 'put', kind: 'drop-answer' });
    await store.put('snapshots/s', body, { ifAbsent: true });
    expect(memory.blobs.get('snapshots/s')?.bytes.equals(body)).toBe(true);
  });

  it('does not take another writer’s bytes for its own after a lost answer', async () => {
    const { store, memory } = storeWith({
      on: 'put',
      kind: 'run',
      action: () => {
        memory.blobs.set('snapshots/s', { bytes: Buffer.from('other bytes'.slice(0, body.length)), modifiedAt: new Date() });
        throw new RahatError('storage_unreachable', 'the answer was lost');
      },
    });
    await expect(store.put('snapshots/s', body, { ifAbsent: true })).rejects.toMatchObject({ code: 'blob_exists' });
    expect(memory.blobs.get('snapshots/s')?.bytes.toString()).toBe('other byte');
  });

  it('refuses equal bytes at the first try: that put was somebody else’s', async () => {
    const { store, memory } = storeWith();
    await memory.put('snapshots/s', body);
    await expect(store.put('snapshots/s', body, { ifAbsent: true })).rejects.toMatchObject({ code: 'blob_exists' });
  });

  it('goes on with a listing where it broke off, giving each name once', async () => {
    const { store, memory, faulty } = storeWith();
    for (const name of ['a', 'b', 'c', 'd']) await memory.put(name, body);
    const broken = faulty.list.bind(faulty);
    let listings = 0;
    faulty.list = async function* (prefix, options) {
      const stopAfter = ++listings;
      let given = 0;
      for await (const entry of broken(prefix, options)) {
        if (given++ === stopAfter && listings < 4) throw new RahatError('storage_unreachable', 'a page never came');
        yield entry;
      }
    };
    expect(await listedNames(store)).toEqual(['a', 'b', 'c', 'd']);
    expect(listings).toBe(4);
  });

  it('gives what was listed before trouble that no repeating mends, and then that trouble', async () => {
    const { store, memory, faulty } = storeWith();
    for (const name of ['a', 'b', 'c']) await memory.put(name, body);
    const whole = faulty.list.bind(faulty);
    let listings = 0;
    faulty.list = async function* (prefix, options) {
      listings++;
      for await (const entry of whole(prefix, options)) {
        if (entry.name === 'c' && listings === 1) throw new RahatError('storage_permission_denied', 'a folder is closed');
        yield entry;
      }
    };
    const given: string[] = [];
    const all = async (): Promise<void> => {
      for await (const { name } of store.list('')) given.push(name);
    };
    await expect(all()).rejects.toMatchObject({ code: 'storage_permission_denied' });
    expect({ given, listings }).toEqual({ given: ['a', 'b'], listings: 1 });
  });

  it('gives each name of a long listing once, in order', async () => {
    const { store, memory, faulty } = storeWith({ on: 'list', kind: 'fail' });
    const names = Array.from({ length: 1_500 }, (_, i) => `n${String(i).padStart(5, '0')}`);
    for (const name of names) await memory.put(name, body);
    expect(await listedNames(store)).toEqual(names);
    expect(faulty.log.filter(({ call }) => call === 'list').length).toBeLessThanOrEqual(2);
  });

  it('stops at once when its caller gives up, in a pause as well as in a call', async () => {
    const slow = { ...POLICY, firstPauseMs: 600_000, longestPauseMs: 600_000 };
    const pausing = new RetryingStore(new FaultyStore(new MemoryStore()).inject({ kind: 'fail', always: true }), slow);
    await expect(pausing.get('a', undefined, { signal: AbortSignal.timeout(20) })).rejects.toMatchObject({ code: 'cancelled' });
    const hanging = new RetryingStore(new FaultyStore(new MemoryStore()).inject({ kind: 'hang' }), slow);
    await expect(hanging.get('a', undefined, { signal: AbortSignal.timeout(20) })).rejects.toMatchObject({ code: 'cancelled' });
  });

  it('ends at its deadline, also where a driver does not listen to its signal', async () => {
    const deaf = withRetries({ ...POLICY, deadlineMs: 30 }, undefined, () => new Promise<never>(() => undefined));
    await expect(deaf).rejects.toMatchObject({ code: 'storage_unreachable', message: expect.stringContaining('0.03 s') });
  });
});
