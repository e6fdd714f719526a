const FRAME_COLUMNS = 3;
const CHUNK_BYTES = 32 + 3 * 4;
const MOST_FRAME_BYTES = 4 * 1024 * 1024;
const MOST_CHUNKS_OF_FRAME = 4_096;
const TAG_BYTES = 16;
const PACK_HEADER_BYTES = 105;

/** What a pack holds, as its footer and an index segment say it. Columns stay where they came: tables may have a hundred thousand chunks. */
export class PackTable {
  readonly frameCount: number;
  readonly chunkCount: number;
  readonly #bytes: Buffer;

  /** Throws where the table contradicts itself or doesn't fit into `packBytes`. */
  constructor(bytes: Buffer, packBytes: number) {
    if (bytes.length < 8) throw new Error('its table is cut off');
    this.frameCount = bytes.readUInt32LE(0);
    this.chunkCount = bytes.readUInt32LE(4);
    this.#bytes = bytes;
    if (bytes.length !== 8 + this.frameCount * FRAME_COLUMNS * 4 + this.chunkCount * CHUNK_BYTES)
      throw new Error('its table has another length than its counts say');
    this.#checkFrames(packBytes);
    this.#checkChunks();
  }

  frame(frame: number): { offset: number; storedBytes: number; plainBytes: number } {
    const column = (index: number) => this.#bytes.readUInt32LE(8 + (index * this.frameCount + frame) * 4);
    return { offset: column(0), storedBytes: column(1), plainBytes: column(2) };
  }

  chunk(chunk: number): { frame: number; offset: number; length: number } {
    const columns = this.#chunkStart + this.chunkCount * 32;
    const column = (index: number) => this.#bytes.readUInt32LE(columns + (index * this.chunkCount + chunk) * 4);
    return { frame: column(0), offset: column(1), length: column(2) };
  }

  chunkId(chunk: number): Buffer {
    const start = this.#chunkStart + chunk * 32;
    return this.#bytes.subarray(start, start + 32);
  }

  get #chunkStart(): number {
    return 8 + this.frameCount * FRAME_COLUMNS * 4;
  }

  #checkFrames(packBytes: number): void {
    for (let frame = 0, end = PACK_HEADER_BYTES; frame < this.frameCount; frame++) {
      const { offset, storedBytes, plainBytes } = this.frame(frame);
      const fits = offset === end && storedBytes > TAG_BYTES && offset + storedBytes <= packBytes;
      if (!fits || plainBytes < 1 || plainBytes > MOST_FRAME_BYTES || storedBytes > plainBytes + TAG_BYTES)
        throw new Error(`its table says impossible things about frame ${frame}`);
      end = offset + storedBytes;
    }
  }

  #checkChunks(): void {
    let previous = 0;
    let inFrame = 0;
    for (let index = 0; index < this.chunkCount; index++) {
      const { frame, offset, length } = this.chunk(index);
      inFrame = frame === previous ? inFrame + 1 : 1;
      const possible = frame >= previous && frame < this.frameCount && length > 0 && inFrame <= MOST_CHUNKS_OF_FRAME;
      if (!possible || offset + length > this.frame(frame).plainBytes)
        throw new Error(`its table says impossible things about chunk ${index}`);
      previous = frame;
    }
  }
}
