import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { PROTOCOL, type Protocol } from '../protocol.js';
import { runSchedule } from './schedule.js';

/** The seeds that the other tests run begin with these. */
const WITHIN = 2500;
const RULES = Object.keys(PROTOCOL) as (keyof Protocol)[];

describe('the simulation', () => {
  it.each(RULES)(
    'notices when the rule %s is broken',
    async (rule) => {
      let violation: string | undefined;
      for (let seed = 1; seed <= WITHIN && !violation; seed++) {
        violation = (await runSchedule(seed, { [rule]: false })).violation;
        await setImmediate();
      }
      expect(violation).toBeDefined();
    },
    600_000,
  );
});
