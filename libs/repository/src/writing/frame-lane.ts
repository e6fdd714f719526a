import type { PackKind } from '../keys/pack-keys.js';
import type { FrameContent } from '../packs/pack-writer.js';

export type SubmitFrame = (kind: PackKind, content: FrameContent, done: () => void) => Promise<void>;

/** Bounds the tables of frames and packs where chunks are tiny. */
const MAX_FRAME_CHUNKS = 4096;

/** Buffers of one frame's size in memory that threads share, used again and again. */
export class FrameBuffers {
  private readonly spare: Buffer[] = [];
  constructor(readonly sizeBytes: number) {}

  /** Larger than usual for a chunk of a coarsely cut source, which makes a frame by itself. */
  take(leastBytes: number): Buffer {
    if (leastBytes > this.sizeBytes) return Buffer.from(new SharedArrayBuffer(leastBytes));
    return this.spare.pop() ?? Buffer.from(new SharedArrayBuffer(this.sizeBytes));
  }

  giveBack(buffer: Buffer): void {
    if (buffer.length === this.sizeBytes) this.spare.push(buffer);
  }
}

/** Memory that keeps its bytes as long as somebody borrows it. */
export interface Loan {
  borrow(): void;
  giveBack(): void;
}

/** From this share of a frame on it goes out smaller rather than its chunks are copied. */
const WORTH_A_FRAME = 3 / 4;

/**
 * Gathers consecutive new chunks of one class into frames. An object has a lane of its own, so that its chunks lie side by side;
 * its last, unfilled frame is poured into the session's common lane of that class, where small objects share frames.
 * Chunks that stand side by side in lent memory are left there: copying them would cost as much as half of the cutting.
 */
export class FrameLane {
  /** Where the gathered chunks stand: a buffer of the lane's own, or the region where they were cut. */
  private place: { own: Buffer } | { start: Buffer; loan: Loan } | undefined;
  private length = 0;
  private chunkIds: Buffer[] = [];
  private chunkLengths: number[] = [];

  constructor(
    private readonly kind: PackKind,
    private readonly buffers: FrameBuffers,
    private readonly submit: SubmitFrame,
  ) {}

  /** Copies the chunk, or borrows it until `keepNothingLent`. Gives a promise where the caller must wait for room before it goes on. */
  append(id: Buffer, chunk: Buffer, loan?: Loan): Promise<void> | undefined {
    const isFull = this.length + chunk.length > this.buffers.sizeBytes || this.chunkIds.length >= MAX_FRAME_CHUNKS;
    const full = isFull ? this.flush() : undefined;
    this.gather(chunk, loan);
    this.length += chunk.length;
    this.chunkIds.push(id);
    this.chunkLengths.push(chunk.length);
    return full;
  }

  /** Before the lender uses its memory for other bytes. */
  keepNothingLent(): Promise<void> | undefined {
    if (!this.place || !('loan' in this.place)) return undefined;
    if (this.length >= this.buffers.sizeBytes * WORTH_A_FRAME) return this.flush();
    this.moveToOwn();
    return undefined;
  }

  flush(): Promise<void> | undefined {
    const { place, length, chunkIds, chunkLengths } = this;
    if (!place) return undefined;
    this.reset();
    return this.submit(this.kind, { plaintext: contentOf(place, length), chunkIds, chunkLengths }, () => this.free(place));
  }

  async pourInto(common: FrameLane): Promise<void> {
    const { place, length, chunkIds, chunkLengths } = this;
    if (!place) return;
    this.reset();
    const content = contentOf(place, length);
    let offset = 0;
    let room: Promise<void> | undefined;
    for (let i = 0; i < chunkIds.length; i++) {
      const chunk = content.subarray(offset, offset + chunkLengths[i]!);
      // Without waiting in between: the chunks stay together, and at most one frame becomes full.
      room = common.append(chunkIds[i]!, chunk) ?? room;
      offset += chunk.length;
    }
    this.free(place);
    await room;
  }

  private gather(chunk: Buffer, loan: Loan | undefined): void {
    if (!this.place) {
      loan?.borrow();
      this.place = loan ? { start: chunk, loan } : { own: this.buffers.take(chunk.length) };
    }
    if ('loan' in this.place) {
      const { start } = this.place;
      const adjoins = chunk.buffer === start.buffer && chunk.byteOffset === start.byteOffset + this.length;
      if (this.place.loan === loan && adjoins) return;
    }
    this.moveToOwn().set(chunk, this.length);
  }

  private moveToOwn(): Buffer {
    const { place } = this;
    if (place && 'own' in place) return place.own;
    const own = this.buffers.take(this.length);
    if (place) {
      own.set(contentOf(place, this.length));
      this.free(place);
    }
    this.place = { own };
    return own;
  }

  private free(place: NonNullable<FrameLane['place']>): void {
    if ('own' in place) this.buffers.giveBack(place.own);
    else place.loan.giveBack();
  }

  private reset(): void {
    this.place = undefined;
    this.length = 0;
    this.chunkIds = [];
    this.chunkLengths = [];
  }
}

function contentOf(place: { own: Buffer } | { start: Buffer }, length: number): Buffer {
  const { buffer, byteOffset } = 'own' in place ? place.own : place.start;
  return Buffer.from(buffer, byteOffset, length);
}
