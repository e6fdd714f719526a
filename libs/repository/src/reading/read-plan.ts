import type { ChunkPlace } from '../frames/opened-frame.js';
import type { ChunkHome } from '../index/chunk-table.js';
import type { RepositoryIndex } from '../index/repository-index.js';
import type { ChunkReference } from '../snapshots/recipes.js';
import type { WantedFrame } from './frame-source.js';
import { locateOrAdopt } from './locate-chunk.js';
import { frameName, type FramePlace } from './ranged-reads.js';

/** Consecutive chunks of a stream that lie side by side in one frame. */
export interface PlannedPiece extends FramePlace, ChunkPlace {
  chunks: ChunkReference[];
}

/** Of a window's frames, together. */
export interface WindowLimit {
  storedBytes: number;
  plainBytes: number;
}

/** Pieces that are given to the reader together; what is written at once takes at most 1,024 (IOV_MAX). */
const BATCH_BYTES = 1024 * 1024;
const MAX_BATCH_PIECES = 1024;
const MAX_WINDOW_CHUNKS = 4096;

/** A frame, and how many pieces need it. */
interface PlannedFrame extends FramePlace {
  uses: number;
}

/** Part of a stream whose frames are fetched together. */
export class ReadWindow {
  readonly pieces: PlannedPiece[] = [];
  /** By name, in the order in which the stream needs them first. */
  private readonly frames = new Map<number, PlannedFrame>();
  private storedBytes = 0;
  private plainBytes = 0;
  private chunks = 0;

  constructor(private readonly index: RepositoryIndex) {}

  /** Whether the chunk's frame is needed anyway, or there is room for it. The first one always fits. */
  fits(home: ChunkHome, limit: WindowLimit): boolean {
    if (this.chunks === 0) return true;
    if (this.chunks >= MAX_WINDOW_CHUNKS) return false;
    if (isOf(home, this.pieces.at(-1)) || this.frames.has(frameName(home))) return true;
    const { storedBytes, plainBytes } = this.sizesOf(home);
    return this.storedBytes + storedBytes <= limit.storedBytes && this.plainBytes + plainBytes <= limit.plainBytes;
  }

  add(reference: ChunkReference, { pack, frame, offset, length }: ChunkHome): void {
    this.chunks++;
    const last = this.pieces.at(-1);
    if (isOf({ pack, frame }, last) && last.offset + last.length === offset) {
      last.length += length;
      last.chunks.push(reference);
      return;
    }
    this.pieces.push({ pack, frame, offset, length, chunks: [reference] });
    const name = frameName({ pack, frame });
    const planned = this.frames.get(name);
    if (planned) planned.uses++;
    else {
      this.frames.set(name, { pack, frame, uses: 1 });
      const { storedBytes, plainBytes } = this.sizesOf({ pack, frame });
      this.storedBytes += storedBytes;
      this.plainBytes += plainBytes;
    }
  }

  /** Each frame once; with a key also which of its chunks are to be compared with their ids. */
  wantedFrames(idKey: Buffer | undefined): WantedFrame[] {
    const frames = [...this.frames.values()].map(({ pack, frame }) => ({ pack, frame }));
    if (!idKey) return frames;
    const places = new Map(frames.map((frame) => [frameName(frame), new Map<number, ChunkPlace>()]));
    for (const piece of this.pieces) {
      for (const place of chunkPlaces(piece)) places.get(frameName(piece))!.set(place.offset, place);
    }
    return frames.map((frame) => ({ ...frame, wanted: { places: [...places.get(frameName(frame))!.values()], idKey } }));
  }

  usesOf(place: FramePlace): number {
    return this.frames.get(frameName(place))!.uses;
  }

  *batches(): Generator<PlannedPiece[]> {
    let batch: PlannedPiece[] = [];
    let bytes = 0;
    for (const piece of this.pieces) {
      if (batch.length > 0 && (bytes + piece.length > BATCH_BYTES || batch.length >= MAX_BATCH_PIECES)) {
        yield batch;
        [batch, bytes] = [[], 0];
      }
      batch.push(piece);
      bytes += piece.length;
    }
    yield batch;
  }

  private sizesOf({ pack, frame }: FramePlace): WindowLimit {
    const { storedLengths, plainLengths } = this.index.packs[pack]!;
    return { storedBytes: storedLengths[frame]!, plainBytes: plainLengths[frame]! };
  }
}

function isOf({ pack, frame }: FramePlace, piece: PlannedPiece | undefined): piece is PlannedPiece {
  return piece?.pack === pack && piece.frame === frame;
}

/** Where each of the piece's chunks lies. */
export function* chunkPlaces({ offset, chunks }: Pick<PlannedPiece, 'offset' | 'chunks'>): Generator<ChunkPlace> {
  for (const { length } of chunks) {
    yield { offset, length };
    offset += length;
  }
}

/** Cuts a stream of chunks into windows; `limit` is asked for as it goes. */
export async function* planWindows(
  index: RepositoryIndex,
  references: AsyncIterable<ChunkReference> | Iterable<ChunkReference>,
  limit: () => WindowLimit,
): AsyncGenerator<ReadWindow> {
  let window = new ReadWindow(index);
  for await (const reference of references) {
    const home = await locateOrAdopt(index, reference);
    if (!window.fits(home, limit())) {
      yield window;
      window = new ReadWindow(index);
    }
    window.add(reference, home);
  }
  if (window.pieces.length > 0) yield window;
}
