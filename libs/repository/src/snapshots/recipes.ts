import { RahatError } from '@rahat/contracts';
import { CHUNK_ID_BYTES } from '../packs/pack-table.js';
import type { Recipe } from './manifest.js';

export interface ChunkReference {
  id: Buffer;
  length: number;
}

/** Recipes up to this many chunks stand in the manifest (repository.md §7.3). */
export const MAX_INLINE_CHUNKS = 64;
/** Row of a stored recipe: chunk id 32, length 4 (little-endian). */
export const RECIPE_ROW_BYTES = CHUNK_ID_BYTES + 4;

export function encodeRecipeRow({ id, length }: ChunkReference): Buffer {
  const row = Buffer.allocUnsafe(RECIPE_ROW_BYTES);
  row.set(id);
  row.writeUInt32LE(length, CHUNK_ID_BYTES);
  return row;
}

export function toReferences(pairs: [string, number][]): ChunkReference[] {
  return pairs.map(([id, length]) => ({ id: Buffer.from(id, 'hex'), length }));
}

export function toPairs(references: ChunkReference[]): [string, number][] {
  return references.map(({ id, length }) => [id.toString('hex'), length]);
}

/** The chunks of an object in order; `read` lends the stored recipe's authenticated bytes. */
export async function* recipeChunks(
  recipe: Recipe,
  read: (chunks: ChunkReference[]) => AsyncIterable<Buffer>,
): AsyncGenerator<ChunkReference> {
  if ('chunks' in recipe) {
    yield* toReferences(recipe.chunks);
    return;
  }
  let count = 0;
  let rest = Buffer.alloc(0);
  for await (const bytes of read(toReferences(recipe.recipeChunks))) {
    const rows = Buffer.concat([rest, bytes]);
    let offset = 0;
    for (; offset + RECIPE_ROW_BYTES <= rows.length; offset += RECIPE_ROW_BYTES) {
      yield { id: rows.subarray(offset, offset + CHUNK_ID_BYTES), length: rows.readUInt32LE(offset + CHUNK_ID_BYTES) };
      count++;
    }
    rest = rows.subarray(offset);
  }
  if (rest.length > 0 || count !== recipe.count) {
    throw new RahatError('repository_damaged', `A recipe has ${count} chunks where its manifest says ${recipe.count}.`);
  }
}
