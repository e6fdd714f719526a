import { SMALL_OBJECT_BYTES } from '../chunking/classes.js';
import { Cutter } from '../chunking/cutter.js';
import type { RepositoryConfig } from '../descriptor/config.js';
import { CHUNK_ID_BYTES } from '../packs/pack-table.js';
import type { ChunkClass, Recipe } from '../snapshots/manifest.js';
import type { ChunkSink } from './chunk-sink.js';
import type { FrameLane, Loan } from './frame-lane.js';
import { RecipeBuilder } from './recipe-builder.js';
import type { StreamDigests } from './stream-digests.js';

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
  const stream = new StreamWriter(sink, cutSizes, announced);
  try {
    for await (const bytes of source) {
      sink.throwIfFailed();
      onRead(bytes.length);
      await stream.write(bytes);
    }
    return await stream.finish();
  } finally {
    await stream.close();
  }
}

/** A stream's bytes are copied once, into a window; there they are cut, hashed by a thread, and looked up. */
class StreamWriter {
  private sizeBytes = 0;
  private readonly lane: FrameLane;
  private readonly recipe: RecipeBuilder;
  private readonly cutter: Cutter;
  private readonly digests: StreamDigests;
  /** Chunks of the window that were not handed over yet. */
  private lengths: number[] = [];
  private lengthsStart = 0;

  constructor(
    private readonly sink: ChunkSink,
    cutSizes: RepositoryConfig['cutSizes'],
    private readonly announced: ChunkClass,
  ) {
    this.lane = sink.newLane(announced);
    this.recipe = new RecipeBuilder(sink, cutSizes.rows);
    this.cutter = new Cutter(cutSizes[announced], sink.windows.begin());
    this.digests = sink.newDigests();
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.sizeBytes += bytes.length;
    for (let offset = 0; offset < bytes.length;) {
      const taken = this.cutter.fill(bytes, offset);
      offset += taken;
      if (taken === 0) await this.nextWindow();
      else this.cut(false);
    }
  }

  async finish(): Promise<WrittenStream> {
    this.cut(true);
    this.digests.ended();
    // The last window is the stream's own until `close`.
    if (this.lengths.length > 0) this.handOver();
    while (this.digests.length > 0) await this.settleOldest();
    this.sink.throwIfFailed();
    return { class: this.trueClass(), sizeBytes: this.sizeBytes, sha256: await this.digests.whole(), recipe: await this.recipe.finish() };
  }

  /** Also after a failure: another object may refer to chunks that lie in the lane. */
  async close(): Promise<void> {
    const own = this.cutter.window;
    for (const window of await this.digests.abandon()) if (window !== own) this.sink.windows.giveBack(window);
    this.sink.windows.end(own);
    await this.lane.pourInto(this.sink.commonLane(this.trueClass()));
    await this.recipe.close();
  }

  /** The true class shows at the stream's end. Below 16 KiB every class gives one chunk, so nothing was cut wrongly. */
  private trueClass(): ChunkClass {
    if (this.sizeBytes < SMALL_OBJECT_BYTES) return 'small';
    return this.announced === 'small' ? 'rows' : this.announced;
  }

  private cut(ended: boolean): void {
    for (let length; (length = this.cutter.next(ended)) > 0;) this.lengths.push(length);
  }

  private handOver(): void {
    this.digests.push(this.cutter.window, this.lengthsStart, this.lengths);
    this.lengths = [];
    this.lengthsStart = 0;
  }

  /** Hands the full window over to be hashed and goes on in another one; where there is none, waits for this one. */
  private async nextWindow(): Promise<void> {
    const full = this.cutter.window;
    this.handOver();
    for (;;) {
      const next = this.sink.windows.more();
      if (next) return this.cutter.moveTo(next);
      await this.settleOldest();
      if (this.digests.length > 0) continue;
      await this.sink.windows.unshared(full);
      return this.cutter.moveTo(full);
    }
  }

  private async settleOldest(): Promise<void> {
    const { window, offset, lengths, ids } = await this.digests.shift();
    const { windows } = this.sink;
    const loan: Loan = { borrow: () => windows.borrow(window), giveBack: () => windows.giveBack(window) };
    try {
      let start = offset;
      for (let i = 0; i < lengths.length; i++) {
        const id = ids.subarray(i * CHUNK_ID_BYTES, (i + 1) * CHUNK_ID_BYTES);
        const length = lengths[i]!;
        const room = this.sink.keep(this.lane, id, window.bytes.subarray(start, start + length), loan);
        if (room) await room;
        const spilt = this.recipe.add({ id, length });
        if (spilt) await spilt;
        start += length;
      }
      await this.lane.keepNothingLent();
    } finally {
      if (window !== this.cutter.window) windows.giveBack(window);
    }
  }
}
