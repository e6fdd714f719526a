import type { BlobEntry } from '@rahat/blob-store-port';
import { describe, expect, it } from '@jest/globals';
import type { Clock } from '../context.js';
import { MemoryStore } from '../testing/memory-store.js';
import { contextOn } from '../testing/synthetic-index.js';
import { listLiveManifests } from './live-marks.js';

const STANDING = 'snapshots/backup_1';
const TRASHED = 'trash/backup_1';

/** What is put shows up in listings once somebody has waited for it; what is removed is gone from them at once. */
class LaggingStore extends MemoryStore {
  override readonly capabilities = { ...new MemoryStore().capabilities, listLagMs: 60_000 };
  private readonly unlisted = new Set<string>();
  readonly clock: Clock = {
    now: () => new Date(),
    monotonicMs: () => performance.now(),
    after: (_ms, task) => {
      this.unlisted.clear();
      queueMicrotask(task);
      return () => undefined;
    },
  };

  async move(from: string, to: string): Promise<void> {
    this.unlisted.add(to);
    await this.put(to, Buffer.from('manifest'));
    await this.remove(from);
  }

  override async *list(prefix: string): AsyncGenerator<BlobEntry> {
    for await (const entry of super.list(prefix)) if (!this.unlisted.has(entry.name)) yield entry;
  }
}

async function liveWhile(moved: { from: string; to: string; atListing: number }): Promise<string[]> {
  const store = new LaggingStore();
  await store.put(moved.from, Buffer.from('manifest'));
  let listings = 0;
  store.onCall = async (operation) => {
    if (operation === 'list' && ++listings === moved.atListing) await store.move(moved.from, moved.to);
  };
  const live = await listLiveManifests(contextOn(store, { clock: store.clock }), new Set());
  expect(listings).toBeGreaterThanOrEqual(moved.atListing);
  return live.map(({ id }) => id);
}

describe('the list of what is live, on a storage whose listings lag', () => {
  // Snapshots, logs, trash, snapshots, logs.
  it.each([1, 2, 3, 4, 5])('has a snapshot that is removed right before listing %d', async (atListing) => {
    expect(await liveWhile({ from: STANDING, to: TRASHED, atListing })).toEqual(['backup_1']);
  });

  it.each([1, 2, 3, 4, 5])('has a snapshot whose removal is undone right before listing %d', async (atListing) => {
    expect(await liveWhile({ from: TRASHED, to: STANDING, atListing })).toEqual(['backup_1']);
  });
});
