import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { pageOfRows } from './rows-page.js';

async function* cut(text: string, sizes: readonly number[]): AsyncGenerator<Buffer> {
  const bytes = Buffer.from(text);
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const piece = Buffer.from(bytes.subarray(at, at + sizes[turn % sizes.length]!));
    at += piece.length;
    yield piece;
    piece.fill(0);
  }
}

async function page(lines: AsyncIterable<Buffer>, offset: number, limit: number) {
  const pieces: Buffer[] = [];
  for await (const piece of pageOfRows(lines, offset, limit)) pieces.push(Buffer.from(piece));
  return JSON.parse(Buffer.concat(pieces).toString()) as { offset: number; rows: unknown[]; nextOffset: number | null };
}

describe('a page of rows', () => {
  it('is the rows from its offset on, however their lines are cut', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ a: fc.string(), b: fc.option(fc.integer()) }), { maxLength: 20 }),
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
        fc.nat(22),
        fc.integer({ min: 1, max: 22 }),
        async (rows, sizes, offset, limit) => {
          const text = rows.map((row) => `${JSON.stringify(row)}\n`).join('');
          expect(await page(cut(text, sizes), offset, limit)).toEqual({
            offset,
            rows: rows.slice(offset, offset + limit),
            nextOffset: offset + limit < rows.length ? offset + limit : null,
          });
        },
      ),
    );
  });

  it('ends early where rows are long, and never within one', async () => {
    const row = { text: 'x'.repeat(5 << 20) };
    const text = `${JSON.stringify(row)}\n`.repeat(4);
    expect(await page(cut(text, [1 << 16]), 0, 10)).toEqual({ offset: 0, rows: [row, row], nextOffset: 2 });
  });

  it('passes on what goes wrong', async () => {
    async function* damaged(): AsyncGenerator<Buffer> {
      yield Buffer.from('{"a":1}\n{"a"');
      throw new Error('damaged');
    }
    await expect(page(damaged(), 0, 10)).rejects.toThrow('damaged');
  });
});
