import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import { wasmWindows } from '../chunking/gear-scan.js';
import { Windows } from '../chunking/windows.js';
import type { RepositoryContext } from '../context.js';
import type { RepositoryConfig } from '../descriptor/config.js';
import { FRAME_BYTES } from '../frames/frame-codec.js';
import type { Speed } from '../threads/jobs.js';
import { PENDING_PACK } from '../index/chunk-table.js';
import type { RepositoryIndex } from '../index/repository-index.js';
import type { ChunkClass } from '../snapshots/manifest.js';
import type { SessionJobs } from '../threads/session-jobs.js';
import { FrameBuffers, FrameLane, type Loan } from './frame-lane.js';
import type { PackPipeline } from './pack-pipeline.js';
import { StreamDigests } from './stream-digests.js';

const PENDING_HOME = { pack: PENDING_PACK, frame: 0, offset: 0, length: 0 };

/** Common lanes of a session: one for each class of data, one for recipes. */
export type LaneName = ChunkClass | 'recipe';

const WINDOW_BYTES = 2 * 1024 * 1024;
/** Windows in which chunks wait to be hashed: each thread has one at hand and one to go on with. */
const WINDOWS_PER_THREAD = 2;

/** What all objects of a session share: the index they deduplicate against, the common lanes, the windows they are cut in. */
export class ChunkSink {
  private readonly buffers: FrameBuffers;
  private readonly common = new Map<LaneName, FrameLane>();
  readonly windows: Windows;
  private readonly recipeIdKey: KeyObject;

  constructor(
    private readonly context: RepositoryContext,
    private readonly index: RepositoryIndex,
    private readonly pipeline: PackPipeline,
    private readonly jobs: SessionJobs,
    { speed, cutSizes }: { speed: Speed; cutSizes: RepositoryConfig['cutSizes'] },
  ) {
    const { writingMemory, keys } = context;
    this.buffers = new FrameBuffers(writingMemory?.frameBytes ?? FRAME_BYTES[speed]);
    const largestChunk = Math.max(...Object.values(cutSizes).map(({ max }) => max));
    const windowBytes = writingMemory?.windowBytes ?? Math.max(WINDOW_BYTES, 2 * largestChunk);
    const makeWindow = writingMemory?.windows ?? wasmWindows(keys.gearTable);
    this.windows = new Windows(makeWindow, windowBytes, 2 + WINDOWS_PER_THREAD * jobs.parallel);
    this.recipeIdKey = createSecretKey(context.keys.recipeChunkId);
  }

  newLane(name: LaneName): FrameLane {
    return new FrameLane(name === 'recipe' ? 'metadata' : 'data', this.buffers, (...frame) => this.pipeline.submit(...frame));
  }

  commonLane(name: LaneName): FrameLane {
    let lane = this.common.get(name);
    if (!lane) this.common.set(name, (lane = this.newLane(name)));
    return lane;
  }

  newDigests(): StreamDigests {
    return new StreamDigests(this.jobs, this.context.keys.chunkId);
  }

  recipeChunkId(chunk: Buffer): Buffer {
    return createHmac('sha256', this.recipeIdKey).update(chunk).digest();
  }

  /** Puts the chunk into the lane unless it is known; gives a promise where the caller must wait for room. */
  keep(lane: FrameLane, id: Buffer, chunk: Buffer, loan?: Loan): Promise<void> | undefined {
    if (this.index.chunks.find(id) >= 0) return undefined;
    this.index.chunks.set(id, PENDING_HOME);
    return lane.append(id, chunk, loan);
  }

  throwIfFailed(): void {
    this.pipeline.throwIfFailed();
  }

  async flush(): Promise<void> {
    for (const lane of this.common.values()) await lane.flush();
    await this.pipeline.flush();
  }
}
