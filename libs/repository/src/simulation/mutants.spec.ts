import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { PROTOCOL, type Protocol } from '../protocol.js';
import { runSchedule } from './schedule.js';

/** The seeds that the other tests run begin with these. */
const WITHIN = 2500;
/**
 * That a session stops without a renewal keeps promises only on a storage without a clock of its own. On all others the manifest's
 * time and the removal of expired leases do so as well, and this rule saves work alone.
 */
const REDUNDANT: ReadonlySet<string> = new Set<keyof Protocol>(['stopWithoutRenewal']);
const RULES = Object.keys(PROTOCOL).filter((rule) => !REDUNDANT.has(rule)) as (keyof Protocol)[];

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
