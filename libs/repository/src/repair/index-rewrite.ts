import { randomBytes } from 'node:crypto';
import type { RepositoryContext } from '../context.js';
import type { IndexedPack } from '../index/index-segment.js';
import { sealIndexSegment } from '../index/segment-files.js';
import { INDEX_PREFIX, indexName } from '../layout.js';
import type { Lease } from '../leases/lease.js';
import { untilListed } from '../listing-lag.js';

/** Rows of the tables that one new segment holds at most: about 50 MB in memory. */
const MAX_SEGMENT_ROWS = 1_000_000;
const SEGMENT_ID = /^[0-9a-f]{32}$/;

export interface IndexRewrite {
  writer: string;
  /** Names of the segments that the new ones stand for. */
  replaced: string[];
  packs: AsyncIterable<IndexedPack>;
}

/**
 * First every new segment, then the removal of the old ones: broken off anywhere in between, each pack is still named by one.
 * Gives the number of segments that were written.
 */
export async function rewriteIndex(context: RepositoryContext, lease: Lease, { writer, replaced, packs }: IndexRewrite): Promise<number> {
  const replaces = replaced.map((name) => name.slice(INDEX_PREFIX.length)).filter((id) => SEGMENT_ID.test(id));
  let batch: IndexedPack[] = [];
  let rows = 0;
  let written = 0;
  const putBatch = async (): Promise<void> => {
    if (batch.length === 0) return;
    const name = indexName(randomBytes(16).toString('hex'));
    lease.assertHeld();
    await context.store.put(name, sealIndexSegment(context, name, { writer, replaces, packs: batch }));
    [batch, rows] = [[], 0];
    written++;
  };
  for await (const pack of packs) {
    batch.push(pack);
    rows += pack.table.chunkFrames.length;
    if (rows >= MAX_SEGMENT_ROWS) await putBatch();
  }
  await putBatch();
  // Who lists now must see the new ones.
  if (written > 0 && replaced.length > 0) await untilListed(context);
  for (const name of replaced) {
    lease.assertHeld();
    await context.store.remove(name);
  }
  return written;
}
