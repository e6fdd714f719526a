import type { KnownPack } from '../index/repository-index.js';

export interface FramePlace {
  pack: number;
  frame: number;
}

/** A pack has far fewer frames. */
const MOST_FRAMES = 2 ** 22;

/** The same for the same frame of a session's index. */
export function frameName({ pack, frame }: FramePlace): number {
  return pack * MOST_FRAMES + frame;
}

/** Bytes of one pack that are read by one request, and what lies in them. */
export interface RangedRead<Place extends FramePlace> {
  pack: KnownPack;
  offset: number;
  length: number;
  places: Place[];
}

const MAX_READ_BYTES = 8 * 1024 * 1024;
/** Reading over a gap of this size is cheaper than another request. */
const MAX_GAP_BYTES = 128 * 1024;

/** The fewest reads that bring these frames; places must be distinct. */
export function coalesce<Place extends FramePlace>(packs: readonly KnownPack[], places: Place[]): RangedRead<Place>[] {
  const reads: RangedRead<Place>[] = [];
  for (const place of places.toSorted((a, b) => a.pack - b.pack || a.frame - b.frame)) {
    const pack = packs[place.pack]!;
    const offset = pack.frameOffsets[place.frame]!;
    const end = offset + pack.storedLengths[place.frame]!;
    const read = reads.at(-1);
    if (read?.pack === pack && offset - (read.offset + read.length) <= MAX_GAP_BYTES && end - read.offset <= MAX_READ_BYTES) {
      read.length = end - read.offset;
      read.places.push(place);
    } else reads.push({ pack, offset, length: end - offset, places: [place] });
  }
  return reads;
}
