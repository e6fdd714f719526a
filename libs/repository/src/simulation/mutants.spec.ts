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
  leaseBeforeIndex: 461,
  writersAvoidCondemned: 3,
  collectionsBeforePacks: 162,
  neverReviveLease: 71,
  indexBeforeManifest: 4,
  standingManifestsAdopted: 11,
  conflictsCompared: 4,
  readersHoldLeases: 14,
  manifestWithinLease: 71,
  manifestSeenBeforeSuccess: 71,
  wholeManifestsStay: 211,
  undoUnderLease: 212,
  undoWithinLease: 166,
  undoAwaitsRemoval: 239,
  putBackInTime: 9,
  leasesBeforeSnapshots: 1176,
  deleteAfterGrace: 310,
  deleteAfterOlderSessions: 123,
  leaseLivesItsTtl: 184,
  markAgain: 12,
  homesAreNotCondemned: 38,
  rescue: 12,
  homesAreKnownToSessions: 14,
  rescuedStayCondemned: 1163,
  trashIsLive: 99,
  snapshotsListedAgain: 29,
  waitForListings: 65,
  keepTrashForUndo: 6,
  replaceBeforeRemoving: 1,
  packsAreBounded: 21,
  framesAreBounded: 21,
  readsAreBounded: 391,
  logsAreLive: 17,
  logsSeenWithinLease: 753,
  mergedBeforeRemoving: 17,
  coveredLogsCompared: 18,
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
