import { describe, expect, it } from '@jest/globals';
import type { Protocol } from '../protocol.js';
import { runSchedule } from './schedule.js';

const WITHIN = 60;
/** Rules whose loss the simulation notices within so many schedules. */
const NOTICED: (keyof Protocol)[] = ['keepTrashForUndo', 'replaceBeforeRemoving', 'markAgain', 'rescue'];

describe('the simulation', () => {
  it.each(NOTICED)(
    'notices when the rule %s is broken',
    async (rule) => {
      let violation: string | undefined;
      for (let seed = 1; seed <= WITHIN && !violation; seed++) violation = (await runSchedule(seed, { [rule]: false })).violation;
      expect(violation).toBeDefined();
    },
    200_000,
  );
});
