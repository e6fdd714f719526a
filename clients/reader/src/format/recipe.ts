import type { Fields } from './json-fields.js';

export interface ChunkRef {
  id: Buffer;
  length: number;
}

/** How an object is put together: its chunks, or the chunks of a stored list of its chunks. */
export type Recipe = { stored: false; chunks: ChunkRef[] } | { stored: true; recipeChunks: ChunkRef[]; count: number };

/** id 32 ‖ length u32 */
const ROW_BYTES = 36;
const MOST_CHUNK_BYTES = 4 * 1024 * 1024;

export function parseRecipe(fields: Fields): Recipe {
  if (fields.has('recipeChunks')) {
    return { stored: true, recipeChunks: references(fields.list('recipeChunks')), count: fields.integer('count', 1) };
  }
  return { stored: false, chunks: references(fields.list('chunks')) };
}

/** The chunks of an object in their order. `readRecipeChunk` gives the authenticated bytes of a stored recipe's chunk. */
export async function* chunksOf(recipe: Recipe, readRecipeChunk: (chunk: ChunkRef) => Promise<Buffer>): AsyncGenerator<ChunkRef> {
  if (!recipe.stored) {
    yield* recipe.chunks;
    return;
  }
  let rest: Buffer = Buffer.alloc(0);
  let count = 0;
  for (const reference of recipe.recipeChunks) {
    // A row may begin in one chunk and end in the next.
    const bytes = Buffer.concat([rest, await readRecipeChunk(reference)]);
    const whole = bytes.length - (bytes.length % ROW_BYTES);
    for (let at = 0; at < whole; at += ROW_BYTES) {
      count++;
      yield reference32(bytes.subarray(at, at + 32), bytes.readUInt32LE(at + 32));
    }
    rest = bytes.subarray(whole);
  }
  if (rest.length > 0 || count !== recipe.count) throw new Error(`its stored recipe has ${count} chunks instead of ${recipe.count}`);
}

function references(list: unknown[]): ChunkRef[] {
  return list.map((entry) => {
    const [id, length] = Array.isArray(entry) ? (entry as unknown[]) : [];
    if (typeof id !== 'string' || !/^[0-9a-f]{64}$/.test(id) || typeof length !== 'number')
      throw new Error('a chunk of its recipe is no [id, length]');
    return reference32(Buffer.from(id, 'hex'), length);
  });
}

function reference32(id: Buffer, length: number): ChunkRef {
  if (!Number.isSafeInteger(length) || length < 1 || length > MOST_CHUNK_BYTES)
    throw new Error(`a chunk of its recipe has ${length} bytes`);
  return { id, length };
}
