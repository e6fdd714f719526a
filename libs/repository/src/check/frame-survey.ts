import { RahatError } from '@rahat/contracts';
import type { RepositoryContext } from '../context.js';
import { FrameOpener } from '../frames/frame-opener.js';
import { inOrder } from '../frames/in-order.js';
import type { ChunkPlace } from '../frames/opened-frame.js';
import { PACK_HEADER_BYTES } from '../packs/pack-layout.js';
import { openPackKey, type PackDirectory } from '../packs/pack-reader.js';
import { chunkIdAt } from '../packs/pack-table.js';

/** Which frames of a pack don't open or hold other bytes than their chunks' ids say; `all` where its key doesn't open. */
export interface FrameSurvey {
  damaged: 'all' | ReadonlySet<number>;
  /** Of the first damaged one. */
  message?: string;
}

interface SurveyedFrame {
  frame: number;
  places: ChunkPlace[];
  ids: Buffer[];
}

/** Decodes every frame of `file`, a whole pack or what is left of it. Needs the master key where the pack holds data. */
export async function surveyFrames(context: RepositoryContext, hash: string, directory: PackDirectory, file: Buffer): Promise<FrameSurvey> {
  const { kind, table } = directory;
  const key = await openPackKey(context, hash, file.subarray(0, PACK_HEADER_BYTES)).catch((error: unknown) => damageIn(error));
  if (key instanceof RahatError) return { damaged: 'all', message: key.message };
  const idKey = kind === 'data' ? context.keys.chunkId : context.keys.recipeChunkId;
  const opener = new FrameOpener(context.threads);
  opener.expect(table.plainLengths.reduce((sum, length) => sum + length, 0));

  /** What is wrong with it, if anything. */
  const examine = async ({ frame, places, ids }: SurveyedFrame): Promise<string | undefined> => {
    const start = table.frameOffsets[frame]!;
    const sealed = file.subarray(start, start + table.storedLengths[frame]!);
    const identity = { repositoryId: context.repositoryId, pack: hash, frameNumber: frame, plainLength: table.plainLengths[frame]! };
    const opened = await opener.open({ ...identity, key, sealed, wanted: { places, idKey } }).catch((error: unknown) => damageIn(error));
    if (opened instanceof RahatError) return opened.message;
    const sound = places.every((place, i) => opened.holds(place, ids[i]!, idKey));
    opened.release();
    return sound ? undefined : `A chunk in frame ${frame} of pack ${hash} holds other bytes than its id says.`;
  };
  const damaged = new Set<number>();
  let message: string | undefined;
  let frame = 0;
  for await (const fault of inOrder(framesOf(directory), opener.parallel, examine)) {
    if (fault !== undefined) {
      damaged.add(frame);
      message ??= fault;
    }
    frame++;
  }
  return { damaged, message };
}

function framesOf({ table }: PackDirectory): SurveyedFrame[] {
  const frames: SurveyedFrame[] = Array.from(table.frameOffsets, (_, frame) => ({ frame, places: [], ids: [] }));
  table.chunkFrames.forEach((frame, chunk) => {
    const { places, ids } = frames[frame]!;
    places.push({ offset: table.chunkOffsets[chunk]!, length: table.chunkLengths[chunk]! });
    ids.push(chunkIdAt(table, chunk));
  });
  return frames;
}

/** Damage is an answer here; everything else is thrown on. */
export function damageIn(error: unknown): RahatError {
  const known = RahatError.from(error);
  if (known.code !== 'repository_damaged') throw error;
  return known;
}
