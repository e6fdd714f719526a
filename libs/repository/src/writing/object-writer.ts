import { createHash } from 'node:crypto';
import { SMALL_OBJECT_BYTES } from '../chunking/classes.js';
import type { RepositoryConfig } from '../descriptor/config.js';
import type { ChunkClass, Recipe } from '../snapshots/manifest.js';
import type { ChunkSink } from './chunk-sink.js';
import { RecipeBuilder } from './recipe-builder.js';

export interface WrittenStream {
  class: ChunkClass;
  sizeBytes: number;
  sha256: string;
  recipe: Recipe;
}

/** Cuts one stream, drops the chunks that are known, and hands new ones on in frames. Pulls only when there is room. */
export async function writeStream(
  sink: ChunkSink,
  cutSizes: RepositoryConfig['cutSizes'],
  announced: ChunkClass,
  source: AsyncIterable<Uint8Array>,
  onRead: (bytes: number) => void,
): Promise<WrittenStream> {
  const whole = createHash('sha256');
  let sizeBytes = 0;
  const lane = sink.newLane(announced);
  const recipe = new RecipeBuilder(sink, cutSizes.rows);
  const cutter = sink.takeCutter();
  cutter.begin(cutSizes[announced]);
  const take = async (chunk: Buffer): Promise<void> => {
    const id = sink.chunkId(chunk, announced);
    await sink.keep(lane, id, chunk);
    await recipe.add({ id, length: chunk.length });
  };
  // The true class shows at the stream's end. Below 16 KiB every class gives one chunk, so nothing was cut wrongly.
  const trueClass = (): ChunkClass => {
    if (sizeBytes < SMALL_OBJECT_BYTES) return 'small';
    return announced === 'small' ? 'rows' : announced;
  };
  try {
    for await (const bytes of source) {
      sink.throwIfFailed();
      whole.update(bytes);
      sizeBytes += bytes.length;
      onRead(bytes.length);
      for (let offset = 0; offset < bytes.length;) {
        offset += cutter.fill(bytes, offset);
        for (let chunk; (chunk = cutter.next(false));) await take(chunk);
      }
    }
    for (let chunk; (chunk = cutter.next(true));) await take(chunk);
    sink.throwIfFailed();
    return { class: trueClass(), sizeBytes, sha256: whole.digest('hex'), recipe: await recipe.finish() };
  } finally {
    sink.giveBackCutter(cutter);
    // Also after a failure: another object may refer to these chunks already.
    await lane.pourInto(sink.commonLane(trueClass()));
    await recipe.close();
  }
}
