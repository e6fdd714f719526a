import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from '@jest/globals';
import type { BlobEntry, PutOptions } from '@rahat/blob-store-port';
import { backUp, digests, newRepository, noise, restore, snapshotFacts, writeAll } from '../testing/builders.js';
import { MemoryStore } from '../testing/memory-store.js';
import { reopen } from '../testing/siblings.js';

const CONTENT = { rows: noise(60_000, 3) };
const LEASE_TTL_MS = 30 * 60_000;

/** Lists what was put a while ago, by a clock of its own that no test can move. */
class LaggingStore extends MemoryStore {
  override readonly capabilities = {
    conditionalPut: false,
    listLagMs: 300,
    serverTime: true,
    objectLock: false,
    rangedRead: true,
    maxObjectSizeBytes: 2 ** 40,
    putsAtOnce: 1,
  };
  private readonly listedFromMs = new Map<string, number>();

  override async put(name: string, body: Uint8Array, options?: PutOptions): Promise<void> {
    await super.put(name, body, options);
    if (!this.listedFromMs.has(name)) this.listedFromMs.set(name, performance.now() + this.capabilities.listLagMs);
  }

  override async *list(prefix: string): AsyncGenerator<BlobEntry> {
    for await (const entry of super.list(prefix)) if (this.listedFromMs.get(entry.name)! <= performance.now()) yield entry;
  }
}

it('leaves what another worker committed under the same name, although no listing shows yet what it needs', async () => {
  const store = new LaggingStore();
  const one = await newRepository(store);
  await sleep(store.capabilities.listLagMs);
  const other = await reopen(store);
  await using session = await one.beginWriting({ writer: 'one' });
  const objects = await writeAll(session, CONTENT);
  // Suspended in the put itself, for longer than its lease lives.
  let lateMs = 0;
  store.now = () => new Date(Date.now() + lateMs);
  store.onCall = async (operation, name) => {
    if (operation !== 'put' || name !== 'snapshots/same') return;
    store.onCall = () => undefined;
    lateMs = 2 * LEASE_TTL_MS;
    await backUp(other, 'same', CONTENT);
  };
  await expect(session.commit('same', snapshotFacts(), objects)).rejects.toMatchObject({ code: 'lease_lost' });
  await sleep(store.capabilities.listLagMs);
  expect(digests(await restore(other, 'same'))).toEqual(digests(CONTENT));
});

it('leaves a manifest that came late where another worker has taken it for its own meanwhile', async () => {
  const store = new MemoryStore();
  const one = await newRepository(store);
  const other = await reopen(store);
  await using session = await one.beginWriting({ writer: 'one' });
  const objects = await writeAll(session, CONTENT);
  let lateMs = 0;
  store.now = () => new Date(Date.now() + lateMs);
  let puts = 0;
  store.onCall = async (operation, name) => {
    if (name !== 'snapshots/same') return;
    if (operation === 'put' && ++puts === 1) lateMs = 2 * LEASE_TTL_MS;
    if (operation !== 'stat' || puts === 0) return;
    store.onCall = () => undefined;
    await backUp(other, 'same', CONTENT);
  };
  await expect(session.commit('same', snapshotFacts(), objects)).rejects.toMatchObject({ code: 'lease_lost' });
  expect(digests(await restore(other, 'same'))).toEqual(digests(CONTENT));
});
