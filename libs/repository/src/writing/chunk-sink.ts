import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import { Cutter } from '../chunking/cutter.js';
import type { RepositoryContext } from '../context.js';
import { FRAME_BYTES, type Speed } from '../frames/frame-codec.js';
import { PENDING_PACK } from '../index/chunk-table.js';
import type { RepositoryIndex } from '../index/repository-index.js';
import type { ChunkClass } from '../snapshots/manifest.js';
import { FrameBuffers, FrameLane } from './frame-lane.js';
import type { PackPipeline } from './pack-pipeline.js';

const PENDING_HOME = { pack: PENDING_PACK, frame: 0, offset: 0, length: 0 };

/** Common lanes of a session: one for each class of data, one for recipes. */
export type LaneName = ChunkClass | 'recipe';

/** What all objects of a session share: the index they deduplicate against, the common lanes, cutters to use again. */
export class ChunkSink {
  private readonly buffers: FrameBuffers;
  private readonly spareCutters: Cutter[] = [];
  private readonly common = new Map<LaneName, FrameLane>();
  /** Prepared once: from bytes it would be made anew for each chunk. */
  private readonly idKeys: { data: KeyObject; recipe: KeyObject };

  constructor(
    private readonly context: RepositoryContext,
    private readonly index: RepositoryIndex,
    private readonly pipeline: PackPipeline,
    speed: Speed,
  ) {
    this.buffers = new FrameBuffers(FRAME_BYTES[speed]);
    this.idKeys = { data: createSecretKey(context.keys.chunkId), recipe: createSecretKey(context.keys.recipeChunkId) };
  }

  newLane(name: LaneName): FrameLane {
    return new FrameLane(name === 'recipe' ? 'metadata' : 'data', this.buffers, (...frame) => this.pipeline.submit(...frame));
  }

  commonLane(name: LaneName): FrameLane {
    let lane = this.common.get(name);
    if (!lane) this.common.set(name, (lane = this.newLane(name)));
    return lane;
  }

  chunkId(chunk: Buffer, name: LaneName): Buffer {
    return createHmac('sha256', name === 'recipe' ? this.idKeys.recipe : this.idKeys.data)
      .update(chunk)
      .digest();
  }

  /** Puts the chunk into the lane unless it is known; gives a promise where the caller must wait for room. */
  keep(lane: FrameLane, id: Buffer, chunk: Buffer): Promise<void> | undefined {
    if (this.index.chunks.find(id) >= 0) return undefined;
    this.index.chunks.set(id, PENDING_HOME);
    return lane.append(id, chunk);
  }

  takeCutter(): Cutter {
    return this.spareCutters.pop() ?? new Cutter(this.context.keys.gearTable);
  }

  giveBackCutter(cutter: Cutter): void {
    this.spareCutters.push(cutter);
  }

  throwIfFailed(): void {
    this.pipeline.throwIfFailed();
  }

  async flush(): Promise<void> {
    for (const lane of this.common.values()) await lane.flush();
    await this.pipeline.flush();
  }
}
