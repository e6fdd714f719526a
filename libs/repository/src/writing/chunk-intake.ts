import type { RepositoryContext } from '../context.js';
import type { RepositoryIndex } from '../index/repository-index.js';
import type { Lease } from '../leases/lease.js';
import { SessionJobs } from '../threads/session-jobs.js';
import { ChunkSink, type LaneName } from './chunk-sink.js';
import { PackPipeline } from './pack-pipeline.js';

export interface ChunkIntakeOptions {
  /** Named in the index segments. */
  writer: string;
  signal?: AbortSignal;
}

/** Takes verified chunks in whose ids are known already: from a damaged pack, or from a sibling repository. */
export class ChunkIntake implements AsyncDisposable {
  chunks = 0;
  /** Of plaintext. */
  plainBytes = 0;
  private readonly pipeline: PackPipeline;
  private readonly sink: ChunkSink;
  private readonly jobs: SessionJobs;

  constructor(
    context: RepositoryContext,
    private readonly index: RepositoryIndex,
    lease: Lease,
    { writer, signal }: ChunkIntakeOptions,
  ) {
    this.jobs = new SessionJobs(context.threads);
    this.pipeline = new PackPipeline(context, index, lease, this.jobs, { writer, signal, speed: 'default' });
    this.sink = new ChunkSink(context, index, this.pipeline, this.jobs, { speed: 'default', cutSizes: context.config.cutSizes });
  }

  /** Sealed bytes that went into packs. */
  get addedBytes(): number {
    return this.pipeline.addedBytes;
  }

  has(id: Buffer): boolean {
    return this.index.chunks.find(id) >= 0;
  }

  /** Waits for room. A chunk that the index knows already is passed over. */
  async take(lane: LaneName, id: Buffer, chunk: Buffer): Promise<void> {
    if (this.has(id)) return;
    this.chunks++;
    this.plainBytes += chunk.length;
    this.jobs.noteBytes(chunk.length);
    await this.sink.keep(this.sink.commonLane(lane), id, chunk);
  }

  /** Everything taken so far is stored and indexed afterwards. */
  flush(): Promise<void> {
    return this.sink.flush();
  }

  /** Without a flush before: what is on its way lands and stays unreferenced. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.pipeline.abandon();
  }
}
