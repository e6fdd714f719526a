import { readFile } from 'node:fs/promises';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { RowKernel } from './row-kernel.js';

const MASK = (1n << 64n) - 1n;
const rotate = (value: bigint, bits: bigint): bigint => ((value << bits) | (value >> (64n - bits))) & MASK;

/** SipHash-2-4-128 as its paper has it: the definition that README.md names, written for reading. */
function sipHash128(key: Buffer, data: Buffer): bigint {
  let [v0, v1, v2, v3] = [0x736f6d6570736575n, 0x646f72616e646f6dn ^ 0xeen, 0x6c7967656e657261n, 0x7465646279746573n];
  const [k0, k1] = [key.readBigUInt64LE(0), key.readBigUInt64LE(8)];
  [v0, v1, v2, v3] = [v0 ^ k0, v1 ^ k1, v2 ^ k0, v3 ^ k1];
  const rounds = (count: number): void => {
    for (; count > 0; count--) {
      v0 = (v0 + v1) & MASK;
      v1 = rotate(v1, 13n) ^ v0;
      v0 = rotate(v0, 32n);
      v2 = (v2 + v3) & MASK;
      v3 = rotate(v3, 16n) ^ v2;
      v0 = (v0 + v3) & MASK;
      v3 = rotate(v3, 21n) ^ v0;
      v2 = (v2 + v1) & MASK;
      v1 = rotate(v1, 17n) ^ v2;
      v2 = rotate(v2, 32n);
    }
  };
  const padded = Buffer.concat([data, Buffer.alloc(8 - (data.length % 8))]);
  padded[padded.length - 1] = data.length & 0xff;
  for (let at = 0; at < padded.length; at += 8) {
    const word = padded.readBigUInt64LE(at);
    v3 ^= word;
    rounds(2);
    v0 ^= word;
  }
  v2 ^= 0xeen;
  rounds(4);
  const low = v0 ^ v1 ^ v2 ^ v3;
  v1 ^= 0xddn;
  rounds(4);
  return ((v0 ^ v1 ^ v2 ^ v3) << 64n) | low;
}

const KEY = Buffer.from('rahat-row-hash-1');
const expectedHash = (rows: Buffer[]): string =>
  (rows.reduce((sum, row) => sum + sipHash128(KEY, row), 0n) & ((1n << 128n) - 1n)).toString(16).padStart(32, '0');

function someRows(): Buffer[] {
  const rows = [Buffer.alloc(0), Buffer.from('\\\\.'), Buffer.from('.'), Buffer.from('\\.x'), Buffer.alloc(300_000, 'long row ')];
  for (let length = 0; length < 200; length++)
    rows.push(Buffer.from(Array.from({ length }, (_, index) => 32 + ((index * 7 + length) % 90))));
  return rows;
}

const frame = (content: Buffer): Buffer => {
  const header = Buffer.alloc(5);
  header.writeUInt32LE(content.length, 1);
  return Buffer.concat([header, content]);
};

describe('the row kernel', () => {
  it('agrees with the reference vector of SipHash-2-4-128', () => {
    const key = Buffer.from(Array.from({ length: 16 }, (_, index) => index));
    const digest = Buffer.alloc(16);
    const hash = sipHash128(key, Buffer.from([0]));
    digest.writeBigUInt64LE(hash & MASK);
    digest.writeBigUInt64LE(hash >> 64n, 8);
    expect(digest.toString('hex')).toBe('da87c1d86b99af44347659119b22fc45');
  });

  it('adds up the same hash however the bytes are cut, and in any order of rows', () => {
    const rows = someRows();
    const expected = { rows: rows.length, rowHash: expectedHash(rows) };
    const kernel = new RowKernel();
    for (const [cut, order] of [
      [1, rows],
      [7, rows],
      [65_536, [...rows].reverse()],
      [5_000_000, rows],
    ] as const) {
      const text = Buffer.concat(order.map((row) => Buffer.concat([row, Buffer.from('\n')])));
      kernel.reset();
      for (let at = 0; at < text.length; at += cut) kernel.absorbRows(text.subarray(at, at + cut));
      expect(kernel.sum()).toEqual(expected);
      expect(kernel.insideRow).toBe(false);
    }
  });

  it('takes rows out of their frames and sees the end mark, however frames and pieces fall', () => {
    const rows = someRows();
    const text = Buffer.concat([...rows.map((row) => Buffer.concat([row, Buffer.from('\n')])), Buffer.from('\\.\n\n\n')]);
    const kernel = new RowKernel();
    for (const frameSize of [1, 13, 4_000_000]) {
      const frames: Buffer[] = [];
      for (let at = 0; at < text.length; at += frameSize) frames.push(frame(text.subarray(at, at + frameSize)));
      const archive = Buffer.concat([...frames, frame(Buffer.alloc(0)), Buffer.from('next')]);
      kernel.reset();
      const payload: Buffer[] = [];
      let used = 0;
      for (let at = 0; !kernel.entryEnded; at += 997) {
        const chunk = archive.subarray(at, at + 997);
        for (let from = 0; from < chunk.length && !kernel.entryEnded;) {
          const taken = kernel.unframe(chunk, from, true);
          from += taken;
          used += taken;
          payload.push(Buffer.from(kernel.takeOutput()));
        }
      }
      expect(archive.subarray(used).toString()).toBe('next');
      expect(Buffer.concat(payload).equals(text)).toBe(true);
      expect(kernel.sum()).toEqual({ rows: rows.length, rowHash: expectedHash(rows) });
      expect(kernel.endMarkSeen).toBe(true);
    }
  });

  it('is what its source compiles to', async () => {
    const script = join(import.meta.dirname, '../../wasm/compile.mjs');
    const { stdout } = await promisify(execFile)(process.execPath, [
      '--input-type=module',
      '-e',
      `import { compileRowKernel } from ${JSON.stringify(script)}; process.stdout.write(await compileRowKernel());`,
    ]);
    expect(stdout).toBe(await readFile(join(import.meta.dirname, 'row-kernel.generated.ts'), 'utf8'));
  });
});
