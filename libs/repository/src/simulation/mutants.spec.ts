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
type LogRule = 'logsSeenWithinLease' | 'logsAreLive' | 'mergedLogsFollowed' | 'mergedBeforeRemoving';
const NOTICED_BY: Record<Exclude<keyof Protocol, 'stopWithoutRenewal' | LogRule>, number> = {
  leaseBeforeIndex: 77,
  writersAvoidCondemned: 20,
  collectionsBeforePacks: 20,
  neverReviveLease: 40,
  indexBeforeManifest: 4,
  standingManifestsAdopted: 32,
  conflictsCompared: 4,
  readersHoldLeases: 14,
  manifestWithinLease: 152,
  manifestSeenBeforeSuccess: 152,
  wholeManifestsStay: 194,
  undoUnderLease: 309,
  undoWithinLease: 385,
  undoAwaitsRemoval: 408,
  putBackInTime: 1301,
  leasesBeforeSnapshots: 364,
  deleteAfterGrace: 49,
  deleteAfterOlderSessions: 3,
  leaseLivesItsTtl: 14,
  markAgain: 13,
  homesAreNotCondemned: 34,
  rescue: 13,
  homesAreKnownToSessions: 14,
  rescuedStayCondemned: 1305,
  trashIsLive: 26,
  snapshotsListedAgain: 519,
  waitForListings: 124,
  keepTrashForUndo: 7,
  replaceBeforeRemoving: 1,
  packsAreBounded: 17,
  framesAreBounded: 169,
  readsAreBounded: 568,
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
