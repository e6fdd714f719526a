import type { FoundSnapshot, ReadableSnapshot, RunState } from '@rahat/contracts';
import { isTerminal } from '../runs/run-states.js';

/** A row of the catalog, as far as it says where the snapshot lies. */
export interface KnownBackup {
  removalRequestedAt: Date | null;
  /** In the trash since. */
  removedAt: Date | null;
  undoRequestedAt: Date | null;
  purgedAt: Date | null;
  /** It was held, or brought back from the trash. */
  heldAt: Date | null;
  /** The rebuild that recorded it. */
  foundBy: string | null;
}

/** The attempt of a backup that was given this snapshot's id. */
export interface KnownAttempt {
  runState: RunState;
  discarded: boolean;
}

export interface Situation {
  organization: string;
  /** The run of this rebuild, and when its attempt began: what the catalog learned later is newer than the listing may be. */
  run: string;
  since: Date;
  /** The repository was taken over from another installation at this time: what it held by then belongs here, too. */
  attachedAt: Date | null;
}

export type Fate =
  | { outcome: 'known' | 'inFlight' }
  | { outcome: 'unreadable' | 'foreign' | 'givenUp'; reason: string }
  | { outcome: 'corrected'; nowIn: FoundSnapshot['place'] }
  | { outcome: 'recorded' | 'recordedInTrash'; found: ReadableSnapshot };

/** Decides what becomes of a snapshot that a repository holds. Nothing of it removes anything. */
export function fateOf(
  found: FoundSnapshot,
  known: { backup?: KnownBackup; attempt?: KnownAttempt },
  { organization, run, since, attachedAt }: Situation,
): Fate {
  if (!found.readable) return { outcome: 'unreadable', reason: found.error.message };
  const recorded = { outcome: found.place === 'trash' ? 'recordedInTrash' : 'recorded', found } as const;
  if (known.backup) {
    // An earlier attempt of this run, or the same page before its answer was lost.
    if (known.backup.foundBy === run) return recorded;
    return contradicts(found.place, known.backup, since) ? { outcome: 'corrected', nowIn: found.place } : { outcome: 'known' };
  }
  const wasThere = attachedAt !== null && new Date(found.createdAt) <= attachedAt;
  if (found.organization !== organization && !wasThere)
    return { outcome: 'foreign', reason: `its manifest names the organization ${found.organization}, and not this one` };
  if (known.attempt && !isTerminal(known.attempt.runState)) return { outcome: 'inFlight' };
  if (known.attempt?.discarded)
    return { outcome: 'givenUp', reason: `attempt ${found.attempt} of ${found.run} was given up; the storage takes away what it left` };
  return recorded;
}

/** What is on its way to the trash, or back, and what moved since the listing began, contradicts nothing. */
function contradicts(place: FoundSnapshot['place'], row: KnownBackup, since: Date): boolean {
  const settled = [row.removedAt, row.purgedAt, row.heldAt].every((at) => at === null || at < since);
  if (!settled || row.undoRequestedAt) return false;
  return place === 'snapshots' ? row.removedAt !== null : row.removalRequestedAt === null || row.purgedAt !== null;
}
