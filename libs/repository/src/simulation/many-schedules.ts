import { setImmediate } from 'node:timers/promises';
import { expect, it } from '@jest/globals';
import { runSchedule } from './schedule.js';

/** Ten thousand in four files, so that they run beside each other. More: `npm run bench -- --suite simulation --schedules N`. */
const SCHEDULES = 2500;
const PATIENCE_MS = 1_200_000;

/** The same seed gives the same schedule again: `runSchedule(seed)`. */
export function describeSchedules(part: 1 | 2 | 3 | 4): void {
  const first = (part - 1) * SCHEDULES + 1;
  const last = part * SCHEDULES;
  it(
    `keeps every promise in the schedules ${first} to ${last}`,
    async () => {
      let removedPacks = 0;
      for (let seed = first; seed <= last; seed++) {
        const { violation, scene, removedPacks: removed } = await runSchedule(seed);
        if (violation) throw new Error(`Seed ${seed} (${scene}): ${violation}`);
        removedPacks += removed;
        await setImmediate();
      }
      // Without deletions the schedules would prove nothing.
      expect(removedPacks).toBeGreaterThan(SCHEDULES / 10);
    },
    PATIENCE_MS,
  );
}
