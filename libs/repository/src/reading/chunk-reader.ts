import { RahatError } from '@rahat/contracts';
import { throwIfCancelled } from '../bounded-store.js';
import type { OpenedFrame } from '../frames/opened-frame.js';
import type { ChunkReference } from '../snapshots/recipes.js';
import { FetchedWindow, type WindowFrame } from './fetched-window.js';
import type { FrameSource } from './frame-source.js';
import { locate } from './locate-chunk.js';
import type { FramePlace } from './ranged-reads.js';
import { chunkPlaces, planWindows, type PlannedPiece, type ReadWindow, type WindowLimit } from './read-plan.js';

export interface ChunkReadOptions {
  /** Recompute each chunk's id with this key: proves that the index told the truth. */
  verifyWith?: Buffer;
  signal?: AbortSignal;
  readAhead?: ReadAhead;
}

/** Frames of this size together are fetched at once, in as few requests as that takes; so many such windows are fetched ahead. */
export interface ReadAhead {
  window: WindowLimit;
  windows: number;
}

const MIB = 1024 * 1024;
const READ_AHEAD: ReadAhead = { window: { storedBytes: 4 * MIB, plainBytes: 16 * MIB }, windows: 3 };

export type ChunkReferences = AsyncIterable<ChunkReference> | Iterable<ChunkReference>;

/** Bytes of consecutive chunks, where they lie. */
export interface ReadPiece {
  bytes: Buffer;
  chunks: ChunkReference[];
}

/**
 * A stream's authenticated bytes in order, in batches of about 1 MiB. They are lent: gone when the next batch is asked for. Read
 * ahead as far as the session's memory for frames goes; where it is all taken, frame by frame.
 */
export function readBatches(source: FrameSource, references: ChunkReferences, options: ChunkReadOptions): AsyncGenerator<ReadPiece[]> {
  return new StreamReader(source, options).read(references);
}

/** The same chunk by chunk. */
export async function* readChunks(
  source: FrameSource,
  references: ChunkReferences,
  options: ChunkReadOptions,
): AsyncGenerator<Buffer, undefined> {
  for await (const batch of readBatches(source, references, options)) {
    for (const { bytes, chunks } of batch) {
      for (const { offset, length } of chunkPlaces({ offset: 0, chunks })) yield bytes.subarray(offset, offset + length);
    }
  }
}

class StreamReader {
  /** The first one is being read. */
  private readonly windows: FetchedWindow[] = [];
  private readonly readAhead: ReadAhead;
  /** In the order in which they are needed. */
  private readonly unopened: WindowFrame[] = [];
  private openFrames = 0;

  constructor(
    private readonly source: FrameSource,
    private readonly options: ChunkReadOptions,
  ) {
    this.readAhead = options.readAhead ?? READ_AHEAD;
  }

  async *read(references: ChunkReferences): AsyncGenerator<ReadPiece[]> {
    const { memory, index } = this.source;
    const { storedBytes, plainBytes } = this.readAhead.window;
    const planned = planWindows(index, references, () => ({ storedBytes: Math.min(storedBytes, memory.room), plainBytes }));
    try {
      for (;;) {
        await this.fetchAhead(planned);
        const window = this.windows[0];
        if (!window) return;
        for (const batch of window.plan.batches()) {
          throwIfCancelled(this.options.signal);
          const pieces: ReadPiece[] = [];
          for (const piece of batch) pieces.push(...(await this.readPiece(piece, window)));
          yield pieces;
          for (const piece of batch) if (window.frameOf(piece).noteRead(piece)) this.openFrames--;
        }
        this.windows.shift()!.giveBack();
      }
    } finally {
      this.windows.forEach((window) => window.giveBack());
      await planned.return(undefined);
    }
  }

  /** A stream that has nothing fetched goes on also without room, so that streams which wait for each other can't stand still. */
  private async fetchAhead(planned: AsyncGenerator<ReadWindow>): Promise<void> {
    const { window, windows } = this.readAhead;
    while (this.windows.length === 0 || (this.windows.length <= windows && this.source.memory.room >= window.storedBytes)) {
      const next = await planned.next();
      if (next.done) return;
      const fetched = new FetchedWindow(next.value, this.source, this.options);
      this.windows.push(fetched);
      this.unopened.push(...fetched.framesInOrder);
    }
  }

  /** Begins with the frames up to this one, and with some that are needed after it. */
  private openUpTo(frame: WindowFrame): void {
    const { opener, memory } = this.source;
    for (let next; (next = this.unopened[0]); this.unopened.shift()) {
      if (frame.begun && (this.openFrames > opener.parallel || memory.room <= 0)) return;
      next.begin();
      this.openFrames++;
    }
  }

  private async readPiece(piece: PlannedPiece, window: FetchedWindow): Promise<ReadPiece[]> {
    const frame = window.frameOf(piece);
    this.openUpTo(frame);
    try {
      return [await this.readFrom(frame.held.open(), piece, window)];
    } catch (error) {
      if (!this.isCurable(error)) throw error;
      const chunks: ReadPiece[] = [];
      let next = 0;
      for (const place of chunkPlaces(piece)) {
        const chunk = { ...piece, ...place, chunks: [piece.chunks[next++]!] };
        chunks.push(await this.readChunk(frame.held.open(), chunk, window));
      }
      return chunks;
    }
  }

  /** repository.md §10: a wrong or missing chunk is looked for in other packs. */
  private async readChunk(opening: Promise<OpenedFrame>, chunk: PlannedPiece, window: FetchedWindow): Promise<ReadPiece> {
    try {
      return await this.readFrom(opening, chunk, window);
    } catch (error) {
      if (!this.isCurable(error)) throw error;
      const { index } = this.source;
      await index.healing!.avoidPack(chunk.pack);
      const home = locate(index, chunk.chunks[0]!);
      if (home.pack === chunk.pack) throw error;
      const other = { ...home, chunks: chunk.chunks };
      return this.readChunk(window.openInstead(home), other, window);
    }
  }

  private async readFrom(opening: Promise<OpenedFrame>, piece: PlannedPiece, window: FetchedWindow): Promise<ReadPiece> {
    const frame = await this.opened(opening, piece, window);
    const { verifyWith } = this.options;
    if (verifyWith) this.verify(frame, piece, verifyWith);
    return { bytes: frame.bytesAt(piece), chunks: piece.chunks };
  }

  private async opened(opening: Promise<OpenedFrame>, place: FramePlace, window: FetchedWindow): Promise<OpenedFrame> {
    try {
      return await opening;
    } catch (error) {
      const isOurs = !(error instanceof RahatError) || error.code !== 'cancelled' || this.options.signal?.aborted;
      if (isOurs) throw error;
      // Another stream, which had asked for the frame first, was cancelled.
      return this.opened(window.openInstead(place), place, window);
    }
  }

  private isCurable(error: unknown): boolean {
    return error instanceof RahatError && error.code === 'repository_damaged' && this.source.index.healing !== undefined;
  }

  private verify(frame: OpenedFrame, piece: PlannedPiece, idKey: Buffer): void {
    let next = 0;
    for (const place of chunkPlaces(piece)) {
      const { id } = piece.chunks[next++]!;
      if (frame.holds(place, id, idKey)) continue;
      const where = `pack ${this.source.index.packs[piece.pack]!.hash}, frame ${piece.frame}`;
      throw new RahatError('repository_damaged', `Chunk ${id.toString('hex')} in ${where}, holds other bytes than its id says.`);
    }
  }
}
