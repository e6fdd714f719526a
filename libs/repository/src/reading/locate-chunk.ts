import { RahatError } from '@rahat/contracts';
import { PENDING_PACK, type ChunkHome } from '../index/chunk-table.js';
import type { RepositoryIndex } from '../index/repository-index.js';
import type { ChunkReference } from '../snapshots/recipes.js';

export function locate(index: RepositoryIndex, { id, length }: ChunkReference): ChunkHome {
  const home = index.chunks.get(id);
  if (!home || home.pack === PENDING_PACK) {
    throw new RahatError('repository_chunk_missing', `Chunk ${id.toString('hex')} is in no pack that the index knows.`);
  }
  if (home.length !== length)
    throw new RahatError('repository_damaged', `Chunk ${id.toString('hex')} has another length than its recipe says.`);
  return home;
}

/** A segment may be lost or damaged: packs tell by themselves what lies in them. */
export async function locateOrAdopt(index: RepositoryIndex, reference: ChunkReference): Promise<ChunkHome> {
  if (!index.chunks.get(reference.id)) await index.healing?.adoptUnindexed();
  return locate(index, reference);
}
