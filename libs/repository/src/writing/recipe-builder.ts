import type { CutSizes } from '../chunking/classes.js';
import type { Cutter } from '../chunking/cutter.js';
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
    for (let chunk; (chunk = this.cutter.next(true));) await this.store(chunk);
    return { recipeChunks: toPairs(this.stored), count: this.count };
  }

  /** Always called, so that nothing that another object may refer to is lost. */
  async close(): Promise<void> {
    if (this.cutter) this.sink.giveBackCutter(this.cutter);
    this.cutter = undefined;
    await this.lane.pourInto(this.sink.commonLane('recipe'));
  }

  private async spill(): Promise<void> {
    if (!this.cutter) (this.cutter = this.sink.takeCutter()).begin(this.sizes);
    const rows = Buffer.concat(this.short.map(encodeRecipeRow));
    this.short = [];
    for (let offset = 0; offset < rows.length;) {
      offset += this.cutter.fill(rows, offset);
      for (let chunk; (chunk = this.cutter.next(false));) await this.store(chunk);
    }
  }

  private async store(chunk: Buffer): Promise<void> {
    const id = this.sink.chunkId(chunk, 'recipe');
    this.stored.push({ id, length: chunk.length });
    await this.sink.keep(this.lane, id, chunk);
  }
}
