import { randomBytes } from 'node:crypto';
import { RahatError } from '@rahat/contracts';
import type { RepositoryContext } from '../context.js';
import { compressFrame, FRAME_BYTES } from '../frames/frame-codec.js';
import type { IndexedPack } from '../index/index-segment.js';
import type { RepositoryIndex } from '../index/repository-index.js';
import { sealIndexSegment } from '../index/segment-files.js';
import type { PackKind } from '../keys/pack-keys.js';
import { indexName, packName } from '../layout.js';
import type { Lease } from '../leases/lease.js';
import { packCapacity, PackWriter } from '../packs/pack-writer.js';
import { readChunks } from '../reading/chunk-reader.js';
import { FrameSource } from '../reading/frame-source.js';
import type { ChunkReference } from '../snapshots/recipes.js';

const MAX_FRAME_CHUNKS = 4096;
const PACKS_PER_SEGMENT = 32;
/** Segments name their writer. */
export const COLLECTOR = 'collector';

interface OpenPack {
  writer: PackWriter;
  frame: Buffer;
  frameBytes: number;
  chunkIds: Buffer[];
  chunkLengths: number[];
}

/** Writes live chunks of condemned packs into new ones. Memory: one pack and one frame of each kind. */
export class PackCopier {
  private readonly frames: FrameSource;
  private readonly open = new Map<PackKind, OpenPack>();
  private unindexed: IndexedPack[] = [];
  readonly copied = { packs: 0, chunks: 0, bytes: 0 };

  constructor(
    private readonly context: RepositoryContext,
    index: RepositoryIndex,
    private readonly lease: Lease,
    private readonly signal: AbortSignal | undefined,
  ) {
    this.frames = new FrameSource(context, index);
  }

  /** The index must give the chunks' home in a pack of this kind. Each chunk is compared with its id before it is copied. */
  async copy(kind: PackKind, chunks: ChunkReference[]): Promise<void> {
    const { keys } = this.context;
    const verifyWith = kind === 'data' ? keys.chunkId : keys.recipeChunkId;
    let next = 0;
    for await (const bytes of readChunks(this.frames, chunks, { verifyWith, signal: this.signal })) {
      await this.add(kind, chunks[next++]!.id, bytes);
    }
  }

  /** Afterwards everything copied is stored and indexed. */
  async finish(): Promise<void> {
    for (const pack of this.open.values()) {
      await this.flushFrame(pack);
      await this.store(pack.writer);
    }
    this.open.clear();
    await this.putSegment();
  }

  private async add(kind: PackKind, id: Buffer, bytes: Buffer): Promise<void> {
    const pack = this.open.get(kind) ?? (await this.openPack(kind));
    if (pack.frameBytes + bytes.length > pack.frame.length || pack.chunkIds.length >= MAX_FRAME_CHUNKS) await this.flushFrame(pack);
    // A chunk of a coarsely cut source makes a frame by itself.
    if (bytes.length > pack.frame.length) pack.frame = Buffer.allocUnsafe(bytes.length);
    pack.frame.set(bytes, pack.frameBytes);
    pack.frameBytes += bytes.length;
    pack.chunkIds.push(Buffer.from(id));
    pack.chunkLengths.push(bytes.length);
    this.copied.chunks++;
  }

  private async openPack(kind: PackKind): Promise<OpenPack> {
    const { config, writingMemory } = this.context;
    const { packSizeBytes, cutSizes } = config;
    const frame = Buffer.allocUnsafe(Math.min(FRAME_BYTES.default, Math.max(packSizeBytes, cutSizes.log.max)));
    const writer = await this.newWriter(kind, Buffer.allocUnsafeSlow(writingMemory?.packBytes ?? packCapacity(packSizeBytes)));
    const pack = { writer, frame, frameBytes: 0, chunkIds: [], chunkLengths: [] };
    this.open.set(kind, pack);
    return pack;
  }

  private newWriter(kind: PackKind, buffer: Buffer): Promise<PackWriter> {
    return PackWriter.open(kind, this.context, { packSizeBytes: this.context.config.packSizeBytes, buffer });
  }

  private async flushFrame(pack: OpenPack): Promise<void> {
    const { chunkIds, chunkLengths } = pack;
    if (chunkIds.length === 0) return;
    const plaintext = pack.frame.subarray(0, pack.frameBytes);
    const content = { plaintext, chunkIds, chunkLengths };
    const body = await compressFrame(plaintext, 'default');
    if (!pack.writer.fits(content, body)) {
      const { kind, buffer } = pack.writer;
      await this.store(pack.writer);
      pack.writer = await this.newWriter(kind, buffer);
    }
    pack.writer.addFrame(content, body);
    pack.frameBytes = 0;
    pack.chunkIds = [];
    pack.chunkLengths = [];
  }

  private async store(writer: PackWriter): Promise<void> {
    const { hash, kind, file, table } = await writer.close();
    await this.put(packName(hash), file);
    this.copied.packs++;
    this.copied.bytes += file.length;
    this.unindexed.push({ hash, sizeBytes: file.length, kind, table });
    if (this.unindexed.length >= PACKS_PER_SEGMENT) await this.putSegment();
  }

  private async putSegment(): Promise<void> {
    const packs = this.unindexed;
    if (packs.length === 0) return;
    this.unindexed = [];
    const name = indexName(randomBytes(16).toString('hex'));
    await this.put(name, sealIndexSegment(this.context, name, { writer: COLLECTOR, replaces: [], packs }));
  }

  private async put(name: string, file: Buffer): Promise<void> {
    this.lease.assertHeld();
    const { store } = this.context;
    try {
      await store.put(name, file, { ifAbsent: store.capabilities.conditionalPut, signal: this.signal });
    } catch (error) {
      // Names are hashes or random: an earlier try of the same bytes has landed.
      if (!(error instanceof RahatError) || error.code !== 'blob_exists') throw error;
    }
  }
}
