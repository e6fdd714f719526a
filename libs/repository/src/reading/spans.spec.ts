import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { backUp, collect, newRepository, noise } from '../testing/builders.js';
import { flip } from '../testing/damage.js';
import { MemoryStore } from '../testing/memory-store.js';

const BYTES = noise(3_000_000);

describe('spans of an object', () => {
  it('are its bytes where they lie, however they are chosen', async () => {
    const repository = await newRepository(new MemoryStore());
    const { objects } = await backUp(repository, 'backup_1', { rows: BYTES });
    await using session = await repository.beginReading();
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: BYTES.length }), { maxLength: 20 }), async (cuts) => {
        const edges = cuts.toSorted((a, b) => a - b);
        const spans = edges.slice(1).flatMap((end, i) => (i % 2 === 0 ? [{ offset: edges[i]!, length: end - edges[i]! }] : []));
        const parts: Buffer[] = [];
        for await (const { offset, bytes } of session.readSpans(objects[0]!, spans)) {
          expect(BYTES.subarray(offset, offset + bytes.length).equals(bytes)).toBe(true);
          parts.push(Buffer.from(bytes));
        }
        const wanted = Buffer.concat(spans.map(({ offset, length }) => BYTES.subarray(offset, offset + length)));
        expect(Buffer.concat(parts).equals(wanted)).toBe(true);
      }),
      { numRuns: 30 },
    );
    const outside = [{ offset: BYTES.length - 1, length: 2 }];
    await expect(Array.fromAsync(session.readSpans(objects[0]!, outside))).rejects.toMatchObject({ code: 'invalid_input' });
    const crossing = [
      { offset: 10, length: 5 },
      { offset: 12, length: 5 },
    ];
    await expect(Array.fromAsync(session.readSpans(objects[0]!, crossing))).rejects.toMatchObject({ code: 'invalid_input' });
  });

  it('read only the packs that hold them, and find a flipped byte there', async () => {
    const store = new MemoryStore();
    const repository = await newRepository(store);
    await backUp(repository, 'backup_1', { rows: BYTES });
    const { objects } = await backUp(repository, 'backup_2', { rows: Buffer.concat([BYTES, noise(500_000, 2)]) });
    const [first] = store.names('packs/');
    await using session = await repository.beginReading();
    await flip(store, first!, 1000);
    const inFirst = Array.fromAsync(session.readSpans(objects[0]!, [{ offset: 0, length: 400_000 }]));
    const inSecond = collect(bytesOf(session.readSpans(objects[0]!, [{ offset: BYTES.length + 300_000, length: 50_000 }])));
    const outcomes = await Promise.allSettled([inFirst, inSecond]);
    expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
  });

  it('lie in chunks whose list two backups share where their bytes are equal', async () => {
    const repository = await newRepository(new MemoryStore());
    const older = await backUp(repository, 'backup_1', { rows: BYTES });
    const newer = await backUp(repository, 'backup_2', { rows: Buffer.concat([noise(1000, 3), BYTES]) });
    await using session = await repository.beginReading();
    const [before, after] = await Promise.all([older, newer].map(({ objects }) => Array.fromAsync(session.objectChunks(objects[0]!))));
    expect(before!.reduce((sum, { length }) => sum + length, 0)).toBe(BYTES.length);
    const known = new Set(before!.map(({ id }) => id));
    expect(after!.filter(({ id }) => known.has(id)).length).toBeGreaterThan(before!.length / 2);
  });
});

async function* bytesOf(pieces: AsyncIterable<{ bytes: Buffer }>): AsyncGenerator<Buffer> {
  for await (const { bytes } of pieces) yield bytes;
}
