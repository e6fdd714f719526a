import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import type { Protocol } from '../protocol.js';
import { runSchedule } from './schedule.js';

/**
 * Each rule with the first seed whose schedule notices that it is broken, so that it needn't be looked for again in each run. Where the
 * engine has changed since, the seeds after it are tried, and those before it.
 *
 * Not among them: that a session stops without a renewal keeps promises only on a storage without a clock of its own. On all others the
 * manifest's time and the removal of expired leases do so as well, and that rule saves work alone.
 */
const NOTICED_BY: Record<Exclude<keyof Protocol, 'stopWithoutRenewal'>, number> = {
  leaseBeforeIndex: 263,
  writersAvoidCondemned: 103,
  collectionsBeforePacks: 649,
  neverReviveLease: 128,
  indexBeforeManifest: 4,
  conflictsCompared: 4,
  readersHoldLeases: 188,
  manifestWithinLease: 216,
  manifestSeenBeforeSuccess: 216,
  undoUnderLease: 95,
  undoWithinLease: 59,
  putBackInTime: 783,
  leasesBeforeSnapshots: 363,
  deleteAfterGrace: 101,
  deleteAfterOlderSessions: 57,
  leaseLivesItsTtl: 44,
  markAgain: 3,
  homesAreNotCondemned: 14,
  rescue: 3,
  rescuedStayCondemned: 49,
  trashIsLive: 25,
  snapshotsListedAgain: 24,
  waitForListings: 46,
  keepTrashForUndo: 6,
  replaceBeforeRemoving: 14,
};
/** The seeds that the other tests run begin with these. */
const WITHIN = 2500;

describe('the simulation', () => {
  it.each(Object.entries(NOTICED_BY))(
    'notices when the rule %s is broken',
    async (rule, first) => {
      let violation: string | undefined;
      for (let tried = 0; tried < WITHIN && !violation; tried++) {
        const seed = ((first - 1 + tried) % WITHIN) + 1;
        violation = (await runSchedule(seed, { [rule]: false })).violation;
        await setImmediate();
      }
      expect(violation).toBeDefined();
    },
    600_000,
  );
});
