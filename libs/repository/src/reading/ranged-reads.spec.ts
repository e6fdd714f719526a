import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { KnownPack } from '../index/repository-index.js';
import { coalesce, type FramePlace } from './ranged-reads.js';

const MIB = 1024 * 1024;

/** Frames of these lengths, one behind the other. */
function packOf(storedLengths: number[]): KnownPack {
  let offset = 105;
  const frameOffsets = storedLengths.map((length) => (offset += length) - length);
  const column = (values: number[]): Uint32Array => Uint32Array.from(values);
  return {
    hash: '',
    sizeBytes: offset,
    kind: 'data',
    frameOffsets: column(frameOffsets),
    storedLengths: column(storedLengths),
    plainLengths: column(storedLengths),
  };
}

function reads(packs: KnownPack[], places: FramePlace[]): string[] {
  return coalesce(packs, places).map(({ pack, places: frames }) => `${packs.indexOf(pack)}: ${frames.map(({ frame }) => frame).join(' ')}`);
}

describe('reads of frames', () => {
  it('are one for neighbours, whatever order they are asked for in, and one for each pack', () => {
    const packs = [packOf([MIB, MIB, MIB]), packOf([MIB, MIB])];
    const places = [2, 0, 1].map((frame) => ({ pack: 0, frame }));
    expect(reads(packs, [...places, { pack: 1, frame: 1 }])).toEqual(['0: 0 1 2', '1: 1']);
  });

  it('go over a small gap and not over a large one', () => {
    const packs = [packOf([1000, 100_000, 1000, 200_000, 1000])];
    expect(
      reads(packs, [
        { pack: 0, frame: 0 },
        { pack: 0, frame: 2 },
        { pack: 0, frame: 4 },
      ]),
    ).toEqual(['0: 0 2', '0: 4']);
  });

  it('bring every frame once, where it lies, in at most 8 MiB', async () => {
    const frames = fc.array(fc.integer({ min: 17, max: 4 * MIB + 16 }), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(fc.array(frames, { minLength: 1, maxLength: 3 }), fc.infiniteStream(fc.boolean()), (packs, chosen) => {
        const known = packs.map(packOf);
        const places = packs.flatMap((lengths, pack) => lengths.map((_, frame) => ({ pack, frame })).filter(() => chosen.next().value));
        const found = coalesce(known, places);
        for (const { pack, offset, length, places: inRead } of found) {
          expect(length).toBeLessThanOrEqual(8 * MIB);
          for (const { frame } of inRead) {
            expect(pack.frameOffsets[frame]!).toBeGreaterThanOrEqual(offset);
            expect(pack.frameOffsets[frame]! + pack.storedLengths[frame]!).toBeLessThanOrEqual(offset + length);
          }
        }
        expect(found.flatMap(({ places: inRead }) => inRead)).toEqual(places);
      }),
    );
  });
});
