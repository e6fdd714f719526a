import { RahatError } from '@rahat/contracts';
import { throwIfCancelled } from '../bounded-store.js';
import type { RepositoryContext } from '../context.js';
import { readPackDirectory, type PackDirectory } from '../packs/pack-reader.js';

/** Footers are small; a remote storage answers several requests in the time of one. */
const READS_AHEAD = 8;

export type FoundDirectory =
  | { hash: string; sizeBytes: number; state: 'readable'; directory: PackDirectory }
  | { hash: string; sizeBytes: number; state: 'unreadable'; message: string }
  /** Collected since it was listed. */
  | { hash: string; sizeBytes: number; state: 'gone' };

/** What each pack says by its own footer, in order, several read at a time. Needs the metadata key only. */
export async function* readPackDirectories(
  context: RepositoryContext,
  packs: Iterable<[hash: string, sizeBytes: number]>,
  signal?: AbortSignal,
): AsyncGenerator<FoundDirectory> {
  const ahead: Promise<FoundDirectory>[] = [];
  for (const [hash, sizeBytes] of packs) {
    throwIfCancelled(signal);
    const read = readOne(context, hash, sizeBytes, signal);
    // Whoever awaits it sees the error; one that nobody awaits any more must not end the process.
    read.catch(() => undefined);
    ahead.push(read);
    if (ahead.length >= READS_AHEAD) yield await ahead.shift()!;
  }
  for (const read of ahead) yield await read;
}

async function readOne(context: RepositoryContext, hash: string, sizeBytes: number, signal?: AbortSignal): Promise<FoundDirectory> {
  try {
    return { hash, sizeBytes, state: 'readable', directory: await readPackDirectory(context, hash, sizeBytes, signal) };
  } catch (error) {
    if (!(error instanceof RahatError)) throw error;
    if (error.code === 'blob_not_found') return { hash, sizeBytes, state: 'gone' };
    if (error.code === 'repository_damaged') return { hash, sizeBytes, state: 'unreadable', message: error.message };
    throw error;
  }
}
