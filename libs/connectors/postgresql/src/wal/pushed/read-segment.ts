import { createHash } from 'node:crypto';
import type { CommittedPiece } from '@rahat/connector-kit';
import { lsnText, RahatError } from '@rahat/contracts';
import { assertSegmentHeader, damaged, type ExpectedSegment, SEGMENT_HEADER_BYTES } from './segment-header.js';
import type { Piece } from './segment-plan.js';

/**
 * Reads a segment to its end, and gives those of its bytes that are wanted. What is wrong with it is thrown before the first byte, or
 * instead of the end: whoever stores what comes must not commit it before.
 */
export async function* readSegment(
  body: AsyncIterable<Buffer>,
  expected: ExpectedSegment,
  { compare, wanted }: { compare: readonly CommittedPiece[]; wanted?: Piece },
  onBytes: (bytes: Buffer) => void,
): AsyncGenerator<Buffer> {
  const hashes = compare.map((piece) => ({ piece, hash: createHash('sha256') }));
  let at = expected.start;
  let header: Buffer = Buffer.alloc(0);
  let judged = false;
  for await (const bytes of body) {
    let next = bytes;
    if (!judged) {
      header = Buffer.concat([header, bytes]);
      if (header.length < SEGMENT_HEADER_BYTES) continue;
      assertSegmentHeader(header, expected);
      judged = true;
      next = header;
    }
    for (const { piece, hash } of hashes) hash.update(partOf(next, at, piece));
    onBytes(next);
    const part = wanted ? partOf(next, at, wanted) : next.subarray(0, 0);
    at += BigInt(next.length);
    if (part.length > 0) yield part;
  }
  const received = Number(at - expected.start);
  if (!judged || received !== expected.sizeBytes)
    throw damaged(`${received} bytes of ${expected.name} came instead of ${expected.sizeBytes}`);
  for (const { piece, hash } of hashes) {
    if (hash.digest('hex') === piece.sha256) continue;
    throw new RahatError(
      'log_segment_differs',
      `${expected.name} differs from what is kept of it, from ${lsnText(piece.start)} to ${lsnText(piece.end)} of timeline ${piece.timeline}`,
    );
  }
}

/** Of bytes that begin `at`. */
function partOf(bytes: Buffer, at: bigint, { start, end }: { start: bigint; end: bigint }): Buffer {
  const from = start > at ? Number(start - at) : 0;
  const to = Number(end - at);
  return from >= bytes.length || to <= 0 ? bytes.subarray(0, 0) : bytes.subarray(from, Math.min(bytes.length, to));
}
