import type { PackKind } from '../keys/pack-keys.js';
import type { FrameContent } from '../packs/pack-writer.js';

export type SubmitFrame = (kind: PackKind, content: FrameContent, done: () => void) => Promise<void>;

/** Bounds the tables of frames and packs where chunks are tiny. */
const MAX_FRAME_CHUNKS = 4096;

/** Buffers of one frame's size in memory that threads share, used again and again. */
export class FrameBuffers {
  private readonly spare: Buffer[] = [];
  constructor(readonly sizeBytes: number) {}

  take(): Buffer {
    return this.spare.pop() ?? Buffer.from(new SharedArrayBuffer(this.sizeBytes));
  }

  giveBack(buffer: Buffer): void {
    this.spare.push(buffer);
  }
}

/**
 * Gathers consecutive new chunks of one class into frames. An object has a lane of its own, so that its chunks lie side by side;
 * its last, unfilled frame is poured into the session's common lane of that class, where small objects share frames.
 */
export class FrameLane {
  private buffer: Buffer | undefined;
  private length = 0;
  private chunkIds: Buffer[] = [];
  private chunkLengths: number[] = [];

  constructor(
    private readonly kind: PackKind,
    private readonly buffers: FrameBuffers,
    private readonly submit: SubmitFrame,
  ) {}

  /** Copies the chunk. Gives a promise where the caller must wait for room before it goes on. */
  append(id: Buffer, chunk: Buffer): Promise<void> | undefined {
    const isFull = this.length + chunk.length > this.buffers.sizeBytes || this.chunkIds.length >= MAX_FRAME_CHUNKS;
    const full = isFull ? this.flush() : undefined;
    this.buffer ??= this.buffers.take();
    this.buffer.set(chunk, this.length);
    this.length += chunk.length;
    this.chunkIds.push(id);
    this.chunkLengths.push(chunk.length);
    return full;
  }

  flush(): Promise<void> | undefined {
    const { buffer, length, chunkIds, chunkLengths } = this;
    if (buffer === undefined) return undefined;
    this.reset();
    return this.submit(this.kind, { plaintext: buffer.subarray(0, length), chunkIds, chunkLengths }, () => this.buffers.giveBack(buffer));
  }

  async pourInto(common: FrameLane): Promise<void> {
    const { buffer, chunkIds, chunkLengths } = this;
    if (buffer === undefined) return;
    this.reset();
    let offset = 0;
    let room: Promise<void> | undefined;
    for (let i = 0; i < chunkIds.length; i++) {
      const chunk = buffer.subarray(offset, offset + chunkLengths[i]!);
      // Without waiting in between: the chunks stay together, and at most one frame becomes full.
      room = common.append(chunkIds[i]!, chunk) ?? room;
      offset += chunk.length;
    }
    this.buffers.giveBack(buffer);
    await room;
  }

  private reset(): void {
    this.buffer = undefined;
    this.length = 0;
    this.chunkIds = [];
    this.chunkLengths = [];
  }
}
