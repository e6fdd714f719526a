import type { ChunkReference } from '../snapshots/recipes.js';
import { readChunks } from './chunk-reader.js';
import type { FrameSource } from './frame-source.js';

const MIB = 1024 * 1024;
/** A frame holds the recipe of two gigabytes, whose own frames need the memory. */
const READ_AHEAD = { window: { storedBytes: MIB, plainBytes: MIB }, windows: 1 };

/** Reads stored recipes; always compared with their ids, because a recipe has no hash of its own. */
export function recipeReader(source: FrameSource, signal: AbortSignal | undefined): (chunks: ChunkReference[]) => AsyncIterable<Buffer> {
  const options = { verifyWith: source.context.keys.recipeChunkId, signal, readAhead: READ_AHEAD };
  return (chunks) => readChunks(source, chunks, options);
}
