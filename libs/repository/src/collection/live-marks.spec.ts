import { describe, expect, it } from '@jest/globals';
import { LaggingStore } from '../testing/lagging-store.js';
import { contextOn } from '../testing/synthetic-index.js';
import { listLiveManifests } from './live-marks.js';

const STANDING = 'snapshots/backup_1';
const TRASHED = 'trash/backup_1';

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
