import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { deriveKeys } from '../keys/derivation.js';
import { noise } from '../testing/builders.js';
import { DEFAULT_CUT_SIZES, type CutSizes } from './classes.js';
import { Cutter } from './cutter.js';
import { plainWindows, wasmWindows } from './gear-scan.js';
import { GEAR_WASM_BASE64 } from './gear-wasm.js';

const { gearTable } = deriveKeys({ masterKey: Buffer.alloc(32, 1), identitySecret: Buffer.alloc(32, 2) });
const TINY: CutSizes = { min: 64, average: 256, max: 1024 };

function cut(bytes: Buffer, sizes: CutSizes, readSizes: number[] = [65_536], makeWindows = wasmWindows): number[] {
  const make = makeWindows(gearTable);
  const cutter = new Cutter(sizes, make(Math.max(2 * sizes.max, 2048)));
  const lengths: number[] = [];
  const take = (ended: boolean): void => {
    for (let length; (length = cutter.next(ended)) > 0;) lengths.push(length);
  };
  for (let offset = 0, read = 0; offset < bytes.length; read++) {
    const piece = bytes.subarray(offset, offset + readSizes[read % readSizes.length]!);
    offset += piece.length;
    for (let taken = 0; taken < piece.length; take(false)) {
      const filled = cutter.fill(piece, taken);
      taken += filled;
      // Every other time into another window, as streams do, else to the start of the same one.
      if (filled === 0) cutter.moveTo(lengths.length % 2 ? make(cutter.window.bytes.length) : cutter.window);
    }
  }
  take(true);
  return lengths;
}

describe('the gear cutter', () => {
  it('carries the WebAssembly that its source compiles to', () => {
    const script = join(import.meta.dirname, '../../assembly/compile-gear.mjs');
    expect(execFileSync(process.execPath, [script, '--print'], { encoding: 'utf8' })).toBe(GEAR_WASM_BASE64);
  });

  it('cuts the same whatever the sizes of the reads, and with or without WebAssembly', () => {
    const bytes = fc
      .tuple(fc.integer({ min: 0, max: 60_000 }), fc.integer({ min: 1, max: 1000 }))
      .map(([length, seed]) => noise(length, seed));
    const reads = fc.array(fc.integer({ min: 1, max: 9000 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(bytes, reads, (data, readSizes) => {
        const whole = cut(data, TINY);
        expect(cut(data, TINY, readSizes)).toEqual(whole);
        expect(cut(data, TINY, readSizes, plainWindows)).toEqual(whole);
        expect(whole.reduce((sum, length) => sum + length, 0)).toBe(data.length);
        for (const length of whole.slice(0, -1)) expect(length >= TINY.min && length <= TINY.max).toBe(true);
      }),
      { numRuns: 40 },
    );
  });

  it('cuts rows at 64 KiB on average, and alike in both scanners over megabytes', () => {
    const data = noise(12_000_000);
    const lengths = cut(data, DEFAULT_CUT_SIZES.rows);
    expect(data.length / lengths.length).toBeGreaterThan(50 * 1024);
    expect(data.length / lengths.length).toBeLessThan(90 * 1024);
    expect(cut(data, DEFAULT_CUT_SIZES.rows, [777_777], plainWindows)).toEqual(lengths);
  });

  it('moves boundaries only near an insertion', () => {
    const data = noise(6_000_000, 3);
    const edited = Buffer.concat([data.subarray(0, 3_000_000), Buffer.from('one row more'), data.subarray(3_000_000)]);
    const ends = (lengths: number[], shift: number): Set<number> =>
      new Set(lengths.map((_, i) => lengths.slice(0, i + 1).reduce((a, b) => a + b) - shift));
    const before = ends(cut(data, DEFAULT_CUT_SIZES.rows), 0);
    const after = ends(cut(edited, DEFAULT_CUT_SIZES.rows), 12);
    const moved = [...before].filter((end) => end > 3_000_000 && !after.has(end));
    expect(moved.length).toBeLessThanOrEqual(4);
    expect([...before].filter((end) => end < 2_700_000).every((end) => after.has(end - 12))).toBe(true);
  });

  it('cuts pages at fixed places', () => {
    expect(cut(noise(100_000), DEFAULT_CUT_SIZES.pages, [5000])).toEqual([32_768, 32_768, 32_768, 1696]);
  });
});
