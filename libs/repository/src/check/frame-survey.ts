import { createHmac } from 'node:crypto';
import { RahatError } from '@rahat/contracts';
import type { RepositoryContext } from '../context.js';
import { openFrame } from '../frames/frame-codec.js';
import { PACK_HEADER_BYTES } from '../packs/pack-layout.js';
import { openPackKey, type PackDirectory } from '../packs/pack-reader.js';
import { chunkIdAt } from '../packs/pack-table.js';

/** Which frames of a pack don't open or hold other bytes than their chunks' ids say; `all` where its key doesn't open. */
export interface FrameSurvey {
  damaged: 'all' | ReadonlySet<number>;
  /** Of the first damaged one. */
  message?: string;
}

/** Decodes every frame of `file`, a whole pack or what is left of it. Needs the master key where the pack holds data. */
export async function surveyFrames(context: RepositoryContext, hash: string, directory: PackDirectory, file: Buffer): Promise<FrameSurvey> {
  const { kind, table } = directory;
  const key = await openPackKey(context, hash, file.subarray(0, PACK_HEADER_BYTES)).catch((error: unknown) => damageIn(error));
  if (key instanceof RahatError) return { damaged: 'all', message: key.message };
  const idKey = kind === 'data' ? context.keys.chunkId : context.keys.recipeChunkId;
  const chunksOfFrame: number[][] = Array.from(table.frameOffsets, () => []);
  table.chunkFrames.forEach((frame, chunk) => chunksOfFrame[frame]!.push(chunk));

  const damaged = new Set<number>();
  let message: string | undefined;
  for (const [frameNumber, chunks] of chunksOfFrame.entries()) {
    const start = table.frameOffsets[frameNumber]!;
    const sealed = file.subarray(start, start + table.storedLengths[frameNumber]!);
    const plainLength = table.plainLengths[frameNumber]!;
    const frame = { repositoryId: context.repositoryId, pack: hash, frameNumber, plainLength };
    const plaintext = await openFrame(key, sealed, frame).catch((error: unknown) => damageIn(error));
    const fault =
      plaintext instanceof RahatError
        ? plaintext.message
        : chunks.every((chunk) => holdsChunk(plaintext, chunk))
          ? undefined
          : `A chunk in frame ${frameNumber} of pack ${hash} holds other bytes than its id says.`;
    if (fault === undefined) continue;
    damaged.add(frameNumber);
    message ??= fault;
  }
  return { damaged, message };

  function holdsChunk(plaintext: Buffer, chunk: number): boolean {
    const offset = table.chunkOffsets[chunk]!;
    const bytes = plaintext.subarray(offset, offset + table.chunkLengths[chunk]!);
    return createHmac('sha256', idKey).update(bytes).digest().equals(chunkIdAt(table, chunk));
  }
}

/** Damage is an answer here; everything else is thrown on. */
function damageIn(error: unknown): RahatError {
  const known = RahatError.from(error);
  if (known.code !== 'repository_damaged') throw error;
  return known;
}
