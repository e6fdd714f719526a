import { expect, it } from '@jest/globals';
import { LaggingStore } from '../testing/lagging-store.js';
import { contextOn } from '../testing/synthetic-index.js';
import { assertNotBeingMerged } from './awaited-merge.js';

const PIECE = 'logs/stream/00000002_00000004';
const MERGED = 'logs/stream/00000000_00000007';

it('sees the log that another one is becoming part of, although listings do not show yet where that one went', async () => {
  const store = new LaggingStore();
  await store.put(`trash/${PIECE}`, Buffer.from('manifest'));
  await store.put(MERGED, Buffer.from('manifest'));
  await store.move(MERGED, `trash/${MERGED}`);
  const context = contextOn(store, { clock: store.clock });
  await expect(assertNotBeingMerged(context, PIECE, Date.now())).rejects.toMatchObject({ code: 'conflict', retryable: true });
  await assertNotBeingMerged(context, PIECE, Date.now() + 2 * context.leaseTtlMs);
});
