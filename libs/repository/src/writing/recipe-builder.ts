import type { CutSizes } from '../chunking/classes.js';
import { Cutter } from '../chunking/cutter.js';
import type { Recipe } from '../snapshots/manifest.js';
import { encodeRecipeRow, MAX_INLINE_CHUNKS, toPairs, type ChunkReference } from '../snapshots/recipes.js';
import type { ChunkSink } from './chunk-sink.js';
import type { FrameLane } from './frame-lane.js';

/**
 * Keeps an object's chunk list in bounded memory: a short one for the manifest, a long one as a stream that is cut,
 * deduplicated against the recipes of earlier backups and stored in metadata packs.
 */
export class RecipeBuilder {
  private short: ChunkReference[] = [];
  private readonly stored: ChunkReference[] = [];
  private count = 0;
  private cutter: Cutter | undefined;
  private readonly lane: FrameLane;

  constructor(
    private readonly sink: ChunkSink,
    private readonly sizes: CutSizes,
  ) {
    this.lane = sink.newLane('recipe');
  }

  add(reference: ChunkReference): Promise<void> | undefined {
    this.count++;
    this.short.push(reference);
    return this.short.length > MAX_INLINE_CHUNKS ? this.spill() : undefined;
  }

  async finish(): Promise<Recipe> {
    if (!this.cutter) return { chunks: toPairs(this.short) };
    await this.spill();
    await this.storeCut(this.cutter, true);
    return { recipeChunks: toPairs(this.stored), count: this.count };
  }

  /** Always called, so that nothing that another object may refer to is lost. */
  async close(): Promise<void> {
    if (this.cutter) this.sink.windows.end(this.cutter.window);
    this.cutter = undefined;
    await this.lane.pourInto(this.sink.commonLane('recipe'));
  }

  private async spill(): Promise<void> {
    const cutter = (this.cutter ??= new Cutter(this.sizes, this.sink.windows.begin()));
    const rows = Buffer.concat(this.short.map(encodeRecipeRow));
    this.short = [];
    for (let offset = 0; offset < rows.length;) {
      const taken = cutter.fill(rows, offset);
      offset += taken;
      await this.storeCut(cutter, false);
      if (taken === 0) cutter.moveTo(cutter.window);
    }
  }

  private async storeCut(cutter: Cutter, ended: boolean): Promise<void> {
    for (let length; (length = cutter.next(ended)) > 0;) {
      await this.store(cutter.window.bytes.subarray(cutter.position - length, cutter.position));
    }
  }

  private async store(chunk: Buffer): Promise<void> {
    const id = this.sink.recipeChunkId(chunk);
    this.stored.push({ id, length: chunk.length });
    await this.sink.keep(this.lane, id, chunk);
  }
}
