import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { readGroup } from './large-objects.js';

const PIECES = [Buffer.from('first piece'), Buffer.alloc(3000, 'second '), Buffer.from([0, 0, 0, 0])];

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

const GROUP = Buffer.concat([
  ...[uint32(7001), ...PIECES.flatMap((piece) => [uint32(piece.length), piece]), uint32(0)],
  ...[uint32(7002), uint32(0)],
]);

/** Lends the bytes in pieces of these lengths, by turns. */
async function* lent(bytes: Buffer, lengths: number[]): AsyncGenerator<Buffer> {
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const piece = Buffer.from(bytes.subarray(at, at + lengths[turn % lengths.length]!));
    at += piece.length;
    yield piece;
    piece.fill('x');
  }
}

async function contents(lengths: number[]): Promise<[number, string][]> {
  const found: [number, string][] = [];
  let content = '';
  for await (const { oid, piece } of readGroup(lent(GROUP, lengths))) {
    content += piece.toString('latin1');
    if (piece.length > 0) continue;
    found.push([oid, content]);
    content = '';
  }
  return found;
}

describe('a group of large objects', () => {
  it('is read back whatever the pieces are in which its bytes are lent', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 2000 }), { minLength: 1, maxLength: 6 }), async (lengths) => {
        expect(await contents(lengths)).toEqual([
          [7001, Buffer.concat(PIECES).toString('latin1')],
          [7002, ''],
        ]);
      }),
    );
  });
});
