import { randomBytes } from 'node:crypto';
import { RahatError } from '@rahat/contracts';
import type { RepositoryContext } from '../context.js';
import type { IndexedPack } from '../index/index-segment.js';
import type { RepositoryIndex } from '../index/repository-index.js';
import { sealIndexSegment } from '../index/segment-files.js';
import { indexName } from '../layout.js';
import { readPackDirectory } from '../packs/pack-reader.js';
import { COLLECTOR } from './pack-copier.js';

const PACKS_PER_SEGMENT = 32;

/**
 * Takes packs that no segment names into the index by their footers: their writer died, or their segment was lost. Gives those that
 * aren't whole.
 */
export async function adoptPacks(
  context: RepositoryContext,
  index: RepositoryIndex,
  packs: { hash: string; sizeBytes: number }[],
  options: { dryRun: boolean; signal?: AbortSignal },
): Promise<{ adopted: number; unreadable: string[] }> {
  const unreadable: string[] = [];
  let batch: IndexedPack[] = [];
  let adopted = 0;
  const putBatch = async (): Promise<void> => {
    adopted += batch.length;
    const segment = { writer: COLLECTOR, replaces: [], packs: batch };
    batch = [];
    if (options.dryRun || segment.packs.length === 0) return;
    const name = indexName(randomBytes(16).toString('hex'));
    await context.store.put(name, sealIndexSegment(context, name, segment), { signal: options.signal });
  };
  for (const { hash, sizeBytes } of packs) {
    const pack = await readPack(context, hash, sizeBytes, options.signal);
    if (pack === 'unreadable') unreadable.push(hash);
    if (typeof pack === 'string') continue;
    index.addPack(pack);
    batch.push(pack);
    if (batch.length >= PACKS_PER_SEGMENT) await putBatch();
  }
  await putBatch();
  return { adopted, unreadable };
}

export async function readPack(
  context: RepositoryContext,
  hash: string,
  sizeBytes: number,
  signal: AbortSignal | undefined,
): Promise<IndexedPack | 'gone' | 'unreadable'> {
  try {
    return { hash, sizeBytes, ...(await readPackDirectory(context, hash, sizeBytes, signal)) };
  } catch (error) {
    if (!(error instanceof RahatError)) throw error;
    if (error.code === 'blob_not_found') return 'gone';
    if (error.code === 'repository_damaged') return 'unreadable';
    throw error;
  }
}
