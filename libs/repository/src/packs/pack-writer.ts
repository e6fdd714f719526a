import { randomBytes } from 'node:crypto';
import type { PackKind } from '../keys/pack-keys.js';
import { sealingOf, type Sealing, type SealingContext } from '../sealed-files/sealing.js';
import { MAX_FRAME_BYTES, regionOf, TAG_BYTES } from '../threads/jobs.js';
import { JOBS_HERE } from '../threads/session-jobs.js';
import type { JobPlace } from '../threads/thread-pool.js';
import { encodePackHeader, encodePackTrailer, footerName, PACK_HEADER_BYTES, PACK_TRAILER_BYTES } from './pack-layout.js';
import { encodePackTable, packTableLength, type PackTable } from './pack-table.js';
import { padmeLength } from './padme.js';

/** Chunks of one frame before it is compressed. */
export interface FrameContent {
  /** Concatenated chunks. */
  plaintext: Buffer;
  chunkIds: Buffer[];
  chunkLengths: number[];
}

export interface ClosedPack {
  kind: PackKind;
  /** SHA-256 of the file, hex. */
  hash: string;
  file: Buffer;
  key: Buffer;
  table: PackTable;
}

/** Bounds the footer (44 bytes a chunk) where chunks are tiny. */
const MAX_CHUNKS = 65_536;
/** A sealed footer is longer than its table by less than this. */
const FOOTER_OVERHEAD_BYTES = 1024;

/** Size of the buffer that a pack of `packSizeBytes` is built in: a single frame that is larger makes a pack of its own. */
export function packCapacity(packSizeBytes: number): number {
  const largestFrame = PACK_HEADER_BYTES + MAX_FRAME_BYTES + TAG_BYTES + footerBound(1, MAX_CHUNKS) + PACK_TRAILER_BYTES;
  return padmeLength(Math.max(packSizeBytes, largestFrame));
}

function footerBound(frames: number, chunks: number): number {
  return packTableLength(frames, chunks) + FOOTER_OVERHEAD_BYTES;
}

/**
 * One pack while it is built in `buffer`, which threads may share: frames stand there open, with room for their tags, until `close`
 * has them sealed all at once. Its key is its own and never used again, also not on a retry.
 */
export class PackWriter {
  private readonly key = randomBytes(32);
  private position = 0;
  private readonly frames: { offset: number; storedLength: number; plainLength: number }[] = [];
  private readonly chunkIds: Buffer[] = [];
  private readonly chunks: number[] = [];

  private constructor(
    readonly kind: PackKind,
    private readonly repositoryId: Buffer,
    private readonly sealing: Sealing,
    private readonly packSizeBytes: number,
    readonly buffer: Buffer,
  ) {}

  static async open(kind: PackKind, context: SealingContext, options: { packSizeBytes: number; buffer: Buffer }): Promise<PackWriter> {
    const { repositoryId } = context;
    const sealing = sealingOf(context);
    const pack = new PackWriter(kind, repositoryId, sealing, options.packSizeBytes, options.buffer);
    pack.append(encodePackHeader(kind, repositoryId, await sealing.wrapPackKey(kind, pack.key)));
    return pack;
  }

  /**
   * Whether the pack stays within its size with this frame. Padmé then pads it to that size, so what doesn't fit any more is on
   * average half a frame; a pack that grew beyond would be padded by half of 1/32.
   */
  fits(content: FrameContent, body: Buffer): boolean {
    if (this.frames.length === 0) return true;
    const chunks = this.chunkIds.length + content.chunkIds.length;
    const footer = footerBound(this.frames.length + 1, chunks) + PACK_TRAILER_BYTES;
    return chunks <= MAX_CHUNKS && this.position + body.length + TAG_BYTES + footer <= this.packSizeBytes;
  }

  get sizeBytes(): number {
    return this.position;
  }

  /** Gives the frame's number. */
  addFrame(content: FrameContent, body: Buffer): number {
    const frame = this.frames.length;
    const offset = this.position;
    this.append(body);
    this.position += TAG_BYTES;
    this.frames.push({ offset, storedLength: this.position - offset, plainLength: content.plaintext.length });
    let chunkOffset = 0;
    content.chunkIds.forEach((id, i) => {
      this.chunkIds.push(id);
      this.chunks.push(frame, chunkOffset, content.chunkLengths[i]!);
      chunkOffset += content.chunkLengths[i]!;
    });
    return frame;
  }

  /** Seals and hashes. The file is a view of the buffer: it must be stored before the buffer is used again. */
  async close(jobs: JobPlace = JOBS_HERE): Promise<ClosedPack> {
    const table = this.table();
    const footer = this.sealing.seal('footer', footerName(this.buffer.subarray(0, PACK_HEADER_BYTES)), encodePackTable(table));
    const size = this.position + footer.length + PACK_TRAILER_BYTES;
    // Random, because zeros would show where the frames end.
    this.append(randomBytes(padmeLength(size) - size));
    this.append(footer);
    this.append(encodePackTrailer(footer.length));
    const file = this.buffer.subarray(0, this.position);
    const { key, repositoryId, kind } = this;
    const { frameOffsets, storedLengths } = table;
    const hash = await jobs.run({ type: 'sealPack', file: regionOf(file), key, repositoryId, frameOffsets, storedLengths });
    return { kind, hash, file, key, table };
  }

  private table(): PackTable {
    const column = (i: number): Uint32Array =>
      Uint32Array.from({ length: this.chunkIds.length }, (_, chunk) => this.chunks[chunk * 3 + i]!);
    return {
      frameOffsets: Uint32Array.from(this.frames, (frame) => frame.offset),
      storedLengths: Uint32Array.from(this.frames, (frame) => frame.storedLength),
      plainLengths: Uint32Array.from(this.frames, (frame) => frame.plainLength),
      chunkIds: Buffer.concat(this.chunkIds),
      chunkFrames: column(0),
      chunkOffsets: column(1),
      chunkLengths: column(2),
    };
  }

  private append(bytes: Buffer): void {
    this.buffer.set(bytes, this.position);
    this.position += bytes.length;
  }
}
