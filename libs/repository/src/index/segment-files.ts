import { RahatError } from '@rahat/contracts';
import type { RepositoryContext } from '../context.js';
import { INDEX_PREFIX } from '../layout.js';
import { sealingOf } from '../sealed-files/sealing.js';
import { decodeIndexSegment, encodeIndexSegment, type IndexedPack, type IndexSegment } from './index-segment.js';

/** A storage that goes on listing a file that it doesn't give must not hold a session for ever. */
const MAX_LISTINGS = 5;
/** Segments that are fetched while one is taken in; their sizes together stay below this, but for the first. */
const FETCHED_AHEAD = 8;
const FETCHED_AHEAD_BYTES = 4 * 1024 * 1024;

/** Every segment that opens: see `visitIndexSegments`. */
export function readIndexSegments(context: RepositoryContext): AsyncGenerator<IndexSegment> {
  return visitIndexSegments(context, async (name) => openIndexSegment(context, name, await context.store.get(name)));
}

/**
 * What `visit` makes of every segment that opens; a vanished one was compacted away, so the listing is taken again (repository.md
 * §9). A damaged one is passed over, and reported by checks: writers store again what only it knew, readers find it by the packs'
 * footers. Several are visited at once, a bounded number of bytes ahead of the consumer.
 */
export async function* visitIndexSegments<T>(
  context: RepositoryContext,
  visit: (name: string, modifiedAt: Date) => Promise<T>,
): AsyncGenerator<T> {
  const seen = new Set<string>();
  let vanished = true;
  const settle = async (visited: Visited<T>): Promise<T | undefined> => {
    try {
      const result = await visited.result;
      seen.add(visited.name);
      return result;
    } catch (error) {
      if (!(error instanceof RahatError)) throw error;
      if (error.code === 'blob_not_found') vanished = true;
      else if (error.code === 'repository_damaged') seen.add(visited.name);
      else throw error;
      return undefined;
    }
  };
  for (let round = 0; vanished && round < MAX_LISTINGS; round++) {
    vanished = false;
    const ahead: Visited<T>[] = [];
    let bytesAhead = 0;
    for await (const { name, sizeBytes, modifiedAt } of context.store.list(INDEX_PREFIX)) {
      if (seen.has(name)) continue;
      while (ahead.length >= FETCHED_AHEAD || (ahead.length > 0 && bytesAhead + sizeBytes > FETCHED_AHEAD_BYTES)) {
        const oldest = ahead.shift()!;
        bytesAhead -= oldest.sizeBytes;
        const result = await settle(oldest);
        if (result !== undefined) yield result;
      }
      const result = visit(name, modifiedAt);
      // Whoever settles it sees the error; one that is never come to must not end the process.
      result.catch(() => undefined);
      ahead.push({ name, sizeBytes, result });
      bytesAhead += sizeBytes;
    }
    for (const visited of ahead) {
      const result = await settle(visited);
      if (result !== undefined) yield result;
    }
  }
}

interface Visited<T> {
  name: string;
  sizeBytes: number;
  result: Promise<T>;
}

export function openIndexSegment(context: RepositoryContext, name: string, file: Buffer): IndexSegment {
  return decodeIndexSegment(sealingOf(context).open('index', name, file), name);
}

/** None where the segment is damaged, which is for `repairIndex`, or was compacted away. */
export async function packsOfSegment(context: RepositoryContext, name: string): Promise<IndexedPack[]> {
  try {
    return openIndexSegment(context, name, await context.store.get(name)).packs;
  } catch (error) {
    if (error instanceof RahatError && (error.code === 'repository_damaged' || error.code === 'blob_not_found')) return [];
    throw error;
  }
}

export function sealIndexSegment(context: RepositoryContext, name: string, segment: IndexSegment): Buffer {
  return sealingOf(context).seal('index', name, encodeIndexSegment(segment));
}
