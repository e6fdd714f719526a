import { describe, expect, it } from '@jest/globals';
import { backUp, describing, newRepository, noise, pieces, snapshotFacts } from '../testing/builders.js';
import { flip } from '../testing/damage.js';
import { MemoryStore } from '../testing/memory-store.js';
import { belongsToShare } from './check-share.js';

describe('a check of a share of the packs', () => {
  it('reads each pack in exactly one of the parts, says how much it read, and finds what lies in its part', async () => {
    const store = new MemoryStore();
    const repository = await newRepository(store);
    for (let i = 0; i < 12; i++) await backUp(repository, `backup_${i}`, { rows: noise(20_000 + i * 1000, i + 1) });
    const packs = store.names('packs/');
    await flip(store, packs[5]!, 150);
    const parts = 4;
    const totals = { packs: 0, bytes: 0, found: 0 };
    for (let part = 1; part <= parts; part++) {
      const { coverage, problems } = await repository.check({ level: 'read-data', share: { part, of: parts } });
      expect(coverage).toMatchObject({ totalPacks: 12, share: { part, of: parts } });
      expect(coverage.bytes <= coverage.totalBytes).toBe(true);
      totals.packs += coverage.packs;
      totals.bytes += coverage.bytes;
      totals.found += problems.filter(({ file }) => file === packs[5]).length;
    }
    const stored = packs.reduce((sum, name) => sum + store.files.get(name)!.bytes.length, 0);
    expect(totals).toEqual({ packs: 12, bytes: stored, found: 1 });
  });

  it('draws packs without regard to their size or age', () => {
    const hashes = Array.from({ length: 20_000 }, (_, i) => noise(32, i + 1).toString('hex'));
    for (const parts of [2, 7, 100]) {
      const counts = Array.from(
        { length: parts },
        (_, i) => hashes.filter((hash) => belongsToShare(hash, { part: i + 1, of: parts })).length,
      );
      expect(counts.reduce((sum, count) => sum + count)).toBe(hashes.length);
      const expected = hashes.length / parts;
      // Five standard deviations.
      for (const count of counts) expect(Math.abs(count - expected)).toBeLessThan(5 * Math.sqrt(expected));
    }
  });

  it('refuses a part that there is not', async () => {
    const repository = await newRepository(new MemoryStore());
    for (const share of [
      { part: 0, of: 4 },
      { part: 5, of: 4 },
      { part: 1, of: 0 },
      { part: 1.5, of: 4 },
    ])
      await expect(repository.check({ level: 'read-data', share })).rejects.toMatchObject({ code: 'invalid_input' });
  });

  it('counts chunks that lie in several packs', async () => {
    const store = new MemoryStore();
    const repository = await newRepository(store);
    const [a, b] = await Promise.all([repository.beginWriting({ writer: 'a' }), repository.beginWriting({ writer: 'b' })]);
    for (const [i, session] of [a, b].entries()) {
      const object = await session.writeObject(describing('rows'), pieces(noise(10_000)));
      await session.commit(`backup_${i}`, snapshotFacts(), [object]);
      await session[Symbol.asyncDispose]();
    }
    expect(await repository.check({ level: 'deep' })).toMatchObject({ healthy: true, chunks: 1, duplicateChunks: 1 });
    // Whichever is damaged: the other one is read, and nothing is affected.
    await flip(store, store.names('packs/')[0]!, 150);
    const report = await repository.check({ level: 'deep' });
    expect(report.problems.flatMap(({ affects }) => affects)).toEqual([]);
  });
});
