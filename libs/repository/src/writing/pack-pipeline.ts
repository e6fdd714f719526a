import { randomBytes, randomInt } from 'node:crypto';
import { RahatError } from '@rahat/contracts';
import type { RepositoryContext } from '../context.js';
import { compressFrame } from '../frames/frame-codec.js';
import type { Speed } from '../threads/jobs.js';
import type { IndexedPack } from '../index/index-segment.js';
import type { RepositoryIndex } from '../index/repository-index.js';
import { sealIndexSegment } from '../index/segment-files.js';
import type { PackKind } from '../keys/pack-keys.js';
import { indexName, packName } from '../layout.js';
import type { Lease } from '../leases/lease.js';
import { assertSampleReadable } from '../packs/pack-sample.js';
import { packCapacity, PackWriter, type FrameContent } from '../packs/pack-writer.js';
import { Slots } from '../slots.js';
import type { SessionJobs } from '../threads/session-jobs.js';

/** Frames beyond those that threads compress: one that is placed and one that waits. */
const FRAMES_AHEAD = 2;
/** repository.md §7.2: so that a retry after a crash finds its own earlier work. */
const PACKS_PER_SEGMENT = 32;
const SEGMENT_INTERVAL_MS = 5 * 60 * 1000;

/**
 * Frame → compress → seal → pack → upload, each stage bounded. The first failure stops it for good: what it wrote by then is
 * referred to by no snapshot.
 */
export class PackPipeline {
  private readonly compressions: Slots;
  private readonly packSlots: Slots;
  private readonly spareBuffers: Buffer[] = [];
  private readonly open = new Map<PackKind, PackWriter>();
  private readonly placements: Record<PackKind, Promise<void>> = { data: Promise.resolve(), metadata: Promise.resolve() };
  private readonly uploads = new Set<Promise<void>>();
  private unindexed: IndexedPack[] = [];
  private lastSegmentAtMs: number;
  private failure: RahatError | undefined;
  addedBytes = 0;

  constructor(
    private readonly context: RepositoryContext,
    private readonly index: RepositoryIndex,
    private readonly lease: Lease,
    private readonly jobs: SessionJobs,
    private readonly options: { writer: string; speed: Speed; signal?: AbortSignal },
  ) {
    this.compressions = new Slots(jobs.parallel + FRAMES_AHEAD);
    // The open pack, and those on their way: more would hide jitter alone, and a slow storage would fill the memory with them.
    this.packSlots = new Slots(context.protocol.packsAreBounded ? 1 + context.store.capabilities.putsAtOnce : Infinity);
    this.lastSegmentAtMs = context.clock.monotonicMs();
  }

  throwIfFailed(): void {
    if (this.options.signal?.aborted) throw new RahatError('cancelled', 'The backup was cancelled.', { cause: this.options.signal.reason });
    if (this.failure) throw this.failure;
  }

  /** Resolves when there is room for the next frame; `done` is called when the plaintext's buffer is free again. */
  async submit(kind: PackKind, content: FrameContent, done: () => void): Promise<void> {
    await this.compressions.acquire();
    try {
      this.throwIfFailed();
    } catch (error) {
      this.compressions.release();
      done();
      throw error;
    }
    const compressed = compressFrame(content.plaintext, this.options.speed, this.jobs);
    compressed.catch(() => undefined);
    // Placed in order of submission: neighbours of an object stay neighbours in the pack, so that a reader reads them at once.
    this.placements[kind] = this.placements[kind]
      .then(async () => {
        const body = await compressed;
        if (!this.failure) await this.place(kind, content, body);
      })
      .catch((error: unknown) => this.fail(error))
      .finally(() => {
        this.compressions.release();
        done();
      });
  }

  /** Everything submitted so far is stored and indexed afterwards. */
  async flush(): Promise<void> {
    for (const kind of ['data', 'metadata'] as const) {
      await this.placements[kind];
      const pack = this.open.get(kind);
      this.open.delete(kind);
      if (pack && !this.failure) this.upload(pack);
    }
    await this.settleUploads();
    this.throwIfFailed();
    if (this.context.protocol.indexBeforeManifest) await this.putIndexSegment();
  }

  /** After a failure or without a commit: waits for what is on its way, so that nothing lands after the session's end. */
  async abandon(): Promise<void> {
    this.failure ??= new RahatError('cancelled', 'The writing session is closed.');
    await Promise.all(Object.values(this.placements));
    this.open.clear();
    await this.settleUploads();
  }

  private async place(kind: PackKind, content: FrameContent, body: Buffer): Promise<void> {
    let pack = this.open.get(kind) ?? (await this.openPack(kind));
    if (!pack.fits(content, body)) {
      this.open.delete(kind);
      this.upload(pack);
      pack = await this.openPack(kind);
    }
    const before = pack.sizeBytes;
    pack.addFrame(content, body);
    this.addedBytes += pack.sizeBytes - before;
  }

  private async openPack(kind: PackKind): Promise<PackWriter> {
    await this.packSlots.acquire();
    const { config, writingMemory } = this.context;
    const { packSizeBytes } = config;
    const packBytes = writingMemory?.packBytes ?? packCapacity(packSizeBytes);
    const buffer = this.spareBuffers.pop() ?? Buffer.from(new SharedArrayBuffer(packBytes));
    const pack = await PackWriter.open(kind, this.context, { packSizeBytes, buffer });
    this.open.set(kind, pack);
    return pack;
  }

  private upload(pack: PackWriter): void {
    const upload = this.store(pack)
      .catch((error: unknown) => this.fail(error))
      .finally(() => {
        this.uploads.delete(upload);
        this.spareBuffers.push(pack.buffer);
        this.packSlots.release();
      });
    this.uploads.add(upload);
  }

  private async store(open: PackWriter): Promise<void> {
    const pack = await open.close(this.jobs);
    const { hash, kind, file, table } = pack;
    const sizeBytes = file.length;
    const { repositoryId, keys } = this.context;
    const chunkIdKey = kind === 'data' ? keys.chunkId : keys.recipeChunkId;
    await assertSampleReadable({ ...pack, repositoryId, chunkIdKey }, randomInt(table.frameOffsets.length));
    await this.put(packName(hash), file);
    const indexed: IndexedPack = { hash, sizeBytes, kind, table };
    this.index.addPack(indexed);
    this.unindexed.push(indexed);
    const overdue = this.context.clock.monotonicMs() - this.lastSegmentAtMs > SEGMENT_INTERVAL_MS;
    if (this.unindexed.length >= PACKS_PER_SEGMENT || overdue) await this.putIndexSegment();
  }

  /** Tells the index of what is stored and isn't indexed yet. */
  async putIndexSegment(): Promise<void> {
    const packs = this.unindexed;
    if (packs.length === 0) return;
    this.unindexed = [];
    this.lastSegmentAtMs = this.context.clock.monotonicMs();
    const name = indexName(randomBytes(16).toString('hex'));
    try {
      await this.put(name, sealIndexSegment(this.context, name, { writer: this.options.writer, replaces: [], packs }));
    } catch (error) {
      // A commit that is repeated must not succeed without them.
      this.unindexed.push(...packs);
      throw error;
    }
  }

  private async put(name: string, file: Buffer): Promise<void> {
    this.lease.assertHeld();
    const ifAbsent = this.context.store.capabilities.conditionalPut;
    try {
      await this.context.store.put(name, file, { ifAbsent, signal: this.options.signal });
    } catch (error) {
      // Names are hashes or random: an earlier try of the same bytes has landed.
      if (!(error instanceof RahatError) || error.code !== 'blob_exists') throw error;
    }
  }

  private async settleUploads(): Promise<void> {
    while (this.uploads.size > 0) await Promise.all(this.uploads);
  }

  private fail(error: unknown): void {
    this.failure ??= RahatError.from(error);
  }
}
