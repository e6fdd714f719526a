import { RahatError } from '@rahat/contracts';
import type { RepositoryContext } from '../context.js';
import { INDEX_PREFIX } from '../layout.js';
import { openSealedFile, sealFile } from '../sealed-files/sealed-file.js';
import { decodeIndexSegment, encodeIndexSegment, type IndexSegment } from './index-segment.js';

/** A storage that goes on listing a file that it doesn't give must not hold a session for ever. */
const MAX_LISTINGS = 5;

/**
 * Every segment that opens; a vanished one was compacted away, so the listing is taken again (repository.md §9). A damaged one
 * is passed over, and reported by checks: writers store again what only it knew, readers find it by the packs' footers.
 */
export async function* readIndexSegments(context: RepositoryContext): AsyncGenerator<IndexSegment> {
  const seen = new Set<string>();
  let vanished = true;
  for (let round = 0; vanished && round < MAX_LISTINGS; round++) {
    vanished = false;
    for await (const { name } of context.store.list(INDEX_PREFIX)) {
      if (seen.has(name)) continue;
      try {
        const segment = openIndexSegment(context, name, await context.store.get(name));
        seen.add(name);
        yield segment;
      } catch (error) {
        if (!(error instanceof RahatError)) throw error;
        if (error.code === 'blob_not_found') vanished = true;
        else if (error.code === 'repository_damaged') seen.add(name);
        else throw error;
      }
    }
  }
}

export function openIndexSegment(context: RepositoryContext, name: string, file: Buffer): IndexSegment {
  const identity = { repositoryId: context.repositoryId, type: 'index', name } as const;
  return decodeIndexSegment(openSealedFile(context.keys.metadata, identity, file), name);
}

export function sealIndexSegment(context: RepositoryContext, name: string, segment: IndexSegment): Buffer {
  return sealFile(context.keys.metadata, { repositoryId: context.repositoryId, type: 'index', name }, encodeIndexSegment(segment));
}
