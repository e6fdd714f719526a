import { RahatError } from '@rahat/contracts';
import { readChunks } from '../reading/chunk-reader.js';
import type { FrameSource } from '../reading/frame-source.js';
import type { StoredObject } from '../snapshots/manifest.js';
import { recipeChunks, toReferences, type ChunkReference } from '../snapshots/recipes.js';
import type { ChunkIntake } from '../writing/chunk-intake.js';
import type { LaneName } from '../writing/chunk-sink.js';

export interface TransferOptions {
  signal?: AbortSignal;
  /** Called for each chunk that is needed and that the origin can't give; where it is not given, the error is thrown. */
  onUnavailable?: (id: Buffer, error: RahatError) => void;
}

/** Who the chunks are brought to. */
export type ChunkTaker = Pick<ChunkIntake, 'has' | 'take'>;

/** Chunks that are fetched together: their frames are read ahead. */
const BATCH_CHUNKS = 1024;

/**
 * Brings the chunks of an object that the target lacks from a sibling, which has the same ids for the same bytes; each is
 * compared with its id on the way. `recipeFrom` gives stored recipes, and may be the target itself where that is healed.
 */
export async function transferObject(
  { recipe, class: chunkClass }: Pick<StoredObject, 'recipe' | 'class'>,
  places: { origin: FrameSource; recipeFrom: (chunks: ChunkReference[]) => AsyncIterable<Buffer>; intake: ChunkTaker },
  options: TransferOptions = {},
): Promise<void> {
  const { origin, recipeFrom, intake } = places;
  if ('recipeChunks' in recipe) await transferChunks('recipe', toReferences(recipe.recipeChunks), { origin, intake }, options);
  let batch: ChunkReference[] = [];
  for await (const { id, length } of recipeChunks(recipe, recipeFrom)) {
    if (intake.has(id)) continue;
    batch.push({ id: Buffer.from(id), length });
    if (batch.length < BATCH_CHUNKS) continue;
    await transferChunks(chunkClass, batch, { origin, intake }, options);
    batch = [];
  }
  await transferChunks(chunkClass, batch, { origin, intake }, options);
}

async function transferChunks(
  lane: LaneName,
  references: ChunkReference[],
  { origin, intake }: { origin: FrameSource; intake: ChunkTaker },
  { signal, onUnavailable }: TransferOptions,
): Promise<void> {
  const { chunkId, recipeChunkId } = origin.context.keys;
  const options = { verifyWith: lane === 'recipe' ? recipeChunkId : chunkId, signal };
  const wanted = references.filter(({ id }) => !intake.has(id));
  let missing = onUnavailable ? await knownChunks(origin, wanted, onUnavailable) : wanted;
  while (missing.length > 0) {
    let arrived = 0;
    try {
      for await (const chunk of readChunks(origin, missing, options)) {
        await intake.take(lane, missing[arrived]!.id, chunk);
        arrived++;
      }
      return;
    } catch (error) {
      if (!onUnavailable || !isDamage(error)) throw error;
      // Reading looks ahead, so that the error may be a later chunk's: the next one is asked for alone.
      const next = missing[arrived]!;
      try {
        for await (const chunk of readChunks(origin, [next], options)) await intake.take(lane, next.id, chunk);
      } catch (own) {
        if (!isDamage(own)) throw own;
        onUnavailable(next.id, own);
      }
      missing = missing.slice(arrived + 1);
    }
  }
}

/** A chunk that the origin doesn't know either needs no try of its own. */
async function knownChunks(
  { index }: FrameSource,
  references: ChunkReference[],
  onUnavailable: (id: Buffer, error: RahatError) => void,
): Promise<ChunkReference[]> {
  const isKnown = ({ id }: ChunkReference): boolean => index.chunks.find(id) >= 0;
  if (!references.every(isKnown)) await index.healing?.adoptUnindexed();
  return references.filter((reference) => {
    if (isKnown(reference)) return true;
    const hex = reference.id.toString('hex');
    onUnavailable(reference.id, new RahatError('repository_chunk_missing', `Chunk ${hex} is in no pack of the other repository either.`));
    return false;
  });
}

export function isDamage(error: unknown): error is RahatError {
  return error instanceof RahatError && (error.code === 'repository_damaged' || error.code === 'repository_chunk_missing');
}
