import { describe, expect, it } from '@jest/globals';
import { runSchedule } from './schedule.js';

/** More are run by `npm run bench -- --suite simulation --schedules N`. */
const SCHEDULES = 120;

describe('a repository under many writers, readers and collectors, faults, crashes, suspended machines and late puts', () => {
  it(`keeps every promise in ${SCHEDULES} schedules`, async () => {
    let removedPacks = 0;
    for (let seed = 1; seed <= SCHEDULES; seed++) {
      const { violation, removedPacks: removed } = await runSchedule(seed);
      if (violation) throw new Error(`Seed ${seed}: ${violation}`);
      removedPacks += removed;
    }
    // Without deletions the schedules would prove nothing.
    expect(removedPacks).toBeGreaterThan(SCHEDULES / 2);
  }, 500_000);

  it('goes the same way again with the same seed', async () => {
    for (const seed of [3, 70, 91]) expect(await runSchedule(seed)).toEqual(await runSchedule(seed));
  });
});
