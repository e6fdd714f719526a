import type { CommittedPiece } from '@rahat/connector-kit';
import type { LogFileName } from '@rahat/contracts';
import type { TimelineStep } from '../timeline-history.js';
import { damaged } from './segment-header.js';

/** Bytes of the log as one timeline has them. */
export interface Piece {
  timeline: number;
  start: bigint;
  end: bigint;
}

/** postgresql: `initdb --wal-segsize`, 1 MB to 1 GB, a power of two. */
const SMALLEST = 1 << 20;
const LARGEST = 1 << 30;

/** Where the segment of this name lies; its size is that of all segments of its server. */
export function placeOfSegment({ timeline, high, low }: LogFileName & { kind: 'segment' }, name: string, sizeBytes: number): Piece {
  if (sizeBytes < SMALLEST || sizeBytes > LARGEST || (sizeBytes & (sizeBytes - 1)) !== 0)
    throw damaged(`${name} has ${sizeBytes} bytes, which no segment has`);
  const perFile = 2 ** 32 / sizeBytes;
  if (low >= perFile) throw damaged(`There is no segment ${name} where segments have ${sizeBytes} bytes`);
  const start = (BigInt(high) << 32n) + BigInt(low) * BigInt(sizeBytes);
  return { timeline, start, end: start + BigInt(sizeBytes) };
}

/** The segment in which a timeline begins holds the former one's bytes first. `way`: the history of the segment's timeline, itself last. */
export function piecesOf({ start, end }: Piece, way: readonly TimelineStep[]): Piece[] {
  const pieces: Piece[] = [];
  for (const step of way) {
    const from = step.start > start ? step.start : start;
    const to = step.end !== undefined && step.end < end ? step.end : end;
    if (from < to) pieces.push({ timeline: step.timeline, start: from, end: to });
  }
  return pieces;
}

export interface SegmentPlan {
  /** Committed before, and wholly in the segment: their hashes must be those of its bytes. */
  compare: CommittedPiece[];
  /** In the log's order. */
  missing: Piece[];
}

export function planSegment(pieces: readonly Piece[], committed: readonly CommittedPiece[]): SegmentPlan {
  const plan: SegmentPlan = { compare: [], missing: [] };
  for (const { timeline, start, end } of pieces) {
    const there = committed.filter((piece) => piece.timeline === timeline && piece.start < end && piece.end > start);
    there.sort((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0));
    plan.compare.push(...there.filter((piece) => piece.start >= start && piece.end <= end));
    let reached = start;
    for (const piece of there) {
      if (piece.start > reached) plan.missing.push({ timeline, start: reached, end: piece.start });
      if (piece.end > reached) reached = piece.end;
    }
    if (reached < end) plan.missing.push({ timeline, start: reached, end });
  }
  return plan;
}
