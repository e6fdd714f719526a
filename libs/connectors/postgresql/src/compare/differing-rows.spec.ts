import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { failureOf, quietJob } from '../physical/test-parts.js';
import { differingRows } from './differing-rows.js';
import { ScratchSpace } from './row-spill.js';
import type { DifferenceSink, RowKey } from './unmatched-rows.js';

const folder = mkdtempSync(join(tmpdir(), 'rahat-differing-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

class Differences implements DifferenceSink {
  readonly told: string[] = [];
  inserted(row: string, count: number): void {
    for (let n = 0; n < count; n++) this.told.push(`+${row}`);
  }
  deleted(row: string, count: number): void {
    for (let n = 0; n < count; n++) this.told.push(`-${row}`);
  }
  changed(older: string, newer: string): void {
    this.told.push(`${older} → ${newer}`);
  }
  drain(): undefined {
    return undefined;
  }
}

const byFirst: RowKey = (row) => row.slice(0, row.indexOf('\t'));

/** Pieces of odd lengths that are gone when the next one is asked for. */
async function* lent(rows: readonly string[], pieceBytes: number): AsyncGenerator<Buffer> {
  const bytes = Buffer.from(rows.map((row) => `${row}\n`).join(''), 'latin1');
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    const piece = Buffer.from(bytes.subarray(at, at + pieceBytes));
    yield piece;
    piece.fill(0);
  }
}

interface Way {
  key?: RowKey;
  memoryBytes?: number;
  scratchBytes?: number;
  pieceBytes?: number;
}

async function differencesOf(older: readonly string[], newer: readonly string[], way: Way = {}): Promise<string[]> {
  const { key, memoryBytes = 1e6, scratchBytes = 1e9, pieceBytes = 7 } = way;
  const sink = new Differences();
  const space = new ScratchSpace(folder, scratchBytes);
  await differingRows(lent(older, pieceBytes), lent(newer, pieceBytes + 3), { key, sink, space, memoryBytes }, quietJob);
  return sink.told.toSorted();
}

/** The definition: what remains when equal rows are taken away one for one, and then pairs by key. */
function expected(older: readonly string[], newer: readonly string[], key: RowKey): string[] {
  const left = [...older];
  const right = newer.filter((row) => {
    const at = left.indexOf(row);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
  const told: string[] = [];
  for (const row of right) {
    const at = key ? left.findIndex((other) => key(other) === key(row)) : -1;
    told.push(at < 0 ? `+${row}` : `${left.splice(at, 1)[0]} → ${row}`);
  }
  return [...told, ...left.map((row) => `-${row}`)].toSorted();
}

const rowsWithKey = fc.uniqueArray(fc.tuple(fc.integer({ min: 0, max: 60 }), fc.constantFrom('', 'a', 'b', 'long '.repeat(30))), {
  selector: ([id]) => id,
  maxLength: 60,
});

describe('differing rows', () => {
  it.each([
    ['in memory', 1e6],
    ['on disk', 300],
  ])('are those of the definition, %s, whatever the order', async (_, memoryBytes) => {
    await fc.assert(
      fc.asyncProperty(rowsWithKey, rowsWithKey, fc.integer({ min: 1, max: 50 }), fc.boolean(), async (a, b, pieceBytes, hasKey) => {
        const [older, newer] = [a, b].map((rows) => rows.map(([id, text]) => `${id}\t${text}`));
        const key = hasKey ? byFirst : undefined;
        expect(await differencesOf(older!, newer!, { key, memoryBytes, pieceBytes })).toEqual(expected(older!, newer!, key));
      }),
      { numRuns: 200 },
    );
  });

  it('count equal rows of a table without a key', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom('', 'a', 'b', 'ab')),
        fc.array(fc.constantFrom('', 'a', 'b', 'ab')),
        fc.boolean(),
        async (a, b, small) => {
          expect(await differencesOf(a, b, { memoryBytes: small ? 1 : 1e6 })).toEqual(expected(a, b, undefined));
        },
      ),
    );
  });

  it('hold only what differs when a block was put in, and leave no file behind', async () => {
    const rows = Array.from({ length: 20_000 }, (_, id) => `${id}\tsome text of row ${id}`);
    const withBlock = rows.toSpliced(5_000, 0, ...Array.from({ length: 1_000 }, (_, id) => `${id + 50_000}\tnew`));
    // Neither the rows of the block nor as many of the others are more than this; nothing may go to disk.
    const way = { key: byFirst, memoryBytes: 500_000, scratchBytes: 0, pieceBytes: 10_000 };
    expect(await differencesOf(rows, withBlock, way)).toHaveLength(1_000);
    expect(await differencesOf(withBlock, rows, way)).toHaveLength(1_000);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('end with a cure when they fit neither into memory nor on disk', async () => {
    const [older, newer] = [0, 10_000].map((first) => Array.from({ length: 5_000 }, (_, id) => `${first + id}\tx`));
    const work = differencesOf(older!, newer!, { key: byFirst, memoryBytes: 10_000, scratchBytes: 50_000 });
    expect(await failureOf(work)).toMatchObject({ code: 'scratch_full', hint: expect.stringContaining('fewer tables') });
    expect(readdirSync(folder)).toEqual([]);
  });
});
