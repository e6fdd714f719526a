import { describe, expect, it } from '@jest/globals';
import { parseLogFileName } from '@rahat/contracts';
import fc from 'fast-check';
import { segmentFileName } from '../timeline-history.js';
import { piecesOf, placeOfSegment, planSegment, type Piece } from './segment-plan.js';

const MIB = 1 << 20;

function placeOf(name: string, sizeBytes: number): Piece {
  const named = parseLogFileName(name);
  if (named?.kind !== 'segment') throw new Error(`${name} is no segment`);
  return placeOfSegment(named, name, sizeBytes);
}

describe('the name of a segment', () => {
  it('tells where it lies, in each size of segments', () => {
    const places = fc.record({ timeline: fc.integer({ min: 1, max: 0xffff_ffff }), power: fc.integer({ min: 0, max: 10 }), at: fc.nat() });
    fc.assert(
      fc.property(places, ({ timeline, power, at }) => {
        const size = MIB << power;
        const start = BigInt(at) * BigInt(size);
        expect(placeOf(segmentFileName(timeline, start, size), size)).toEqual({ timeline, start, end: start + BigInt(size) });
      }),
    );
  });

  it.each([
    ['a size that no segment has', 16 * MIB - 1],
    ['too small a size', MIB / 2],
    ['too large a size', 2048 * MIB],
    ['a size of which there is no such number', 32 * MIB],
  ])('is refused with %s', (_what, size) => {
    expect(() => placeOf('0000000100000000000000FF', size)).toThrow(expect.objectContaining({ code: 'log_segment_damaged' }));
  });

  it.each([
    ['000000010000000000000001', 'segment'],
    ['00000001000000000000000A.partial', 'partial'],
    ['00000001000000000000000A.00000028.backup', 'backup'],
    ['0000000A.history', 'history'],
    ['00000001.history', undefined],
    ['000000000000000000000001', undefined],
    ['00000001000000000000000a', undefined],
    ['../00000001000000000000000A', undefined],
    ['00000001000000000000000A.gz', undefined],
    ['', undefined],
  ])('%s is a %s', (name, kind) => {
    expect(parseLogFileName(name)?.kind).toBe(kind);
  });
});

describe('a segment', () => {
  const segment = { timeline: 3, start: 160n, end: 176n };
  const way = [
    { timeline: 1, start: 0n, end: 165n },
    { timeline: 2, start: 165n, end: 170n },
    { timeline: 3, start: 170n },
  ];

  it('holds the bytes of each timeline that it was written on', () => {
    expect(piecesOf(segment, way)).toEqual([
      { timeline: 1, start: 160n, end: 165n },
      { timeline: 2, start: 165n, end: 170n },
      { timeline: 3, start: 170n, end: 176n },
    ]);
    expect(piecesOf({ ...segment, start: 176n, end: 192n }, way)).toEqual([{ timeline: 3, start: 176n, end: 192n }]);
  });

  it('lacks what is not committed, and is compared by what is committed within it', () => {
    const pieces = [{ timeline: 1, start: 160n, end: 176n }];
    const committed = (start: bigint, end: bigint, timeline = 1) => ({ timeline, start, end, sha256: `${start}` });
    expect(planSegment(pieces, [])).toEqual({ compare: [], missing: pieces });
    expect(planSegment(pieces, [committed(160n, 176n)])).toEqual({ compare: [committed(160n, 176n)], missing: [] });
    // Followed log is committed as it comes: its pieces begin and end anywhere.
    expect(planSegment(pieces, [committed(170n, 200n), committed(100n, 162n), committed(162n, 168n)])).toEqual({
      compare: [committed(162n, 168n)],
      missing: [{ timeline: 1, start: 168n, end: 170n }],
    });
    expect(planSegment(pieces, [committed(160n, 176n, 2), committed(176n, 192n)])).toEqual({ compare: [], missing: pieces });
  });
});
