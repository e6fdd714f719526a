/**
 * Rules of writers, readers and collectors, each of which keeps something from being lost (repository.md §7, §8), or from growing
 * with its input. They hold always; only the simulation breaks one at a time, to prove that it would notice.
 */
export interface Protocol {
  /** A session puts its lease before it looks at what it may refer to. */
  leaseBeforeIndex: boolean;
  /** Writers don't count on packs that a collection condemns. */
  writersAvoidCondemned: boolean;
  /** Writers read the collections before they ask which packs exist, never after. */
  collectionsBeforePacks: boolean;
  /** A session stops when its lease wasn't renewed for half of its life. */
  stopWithoutRenewal: boolean;
  /** A renewal that came after the lease had run out doesn't revive it. */
  neverReviveLease: boolean;
  /** A manifest is put when the index tells of all that it needs. */
  indexBeforeManifest: boolean;
  /** Who commits looks first whether the manifest stands already. */
  standingManifestsAdopted: boolean;
  /** A manifest of the same name is a success only where its content is the same. */
  conflictsCompared: boolean;
  /** Readers hold leases. */
  readersHoldLeases: boolean;
  /** The manifest's server time must lie within the lease. */
  manifestWithinLease: boolean;
  /** Success is reported only of a manifest that the storage shows. */
  manifestSeenBeforeSuccess: boolean;
  /** So it is of a log, however many of them a session commits. */
  logsSeenWithinLease: boolean;
  /** Where a manifest that came late may have replaced another process' one, it is taken back only if it isn't whole. */
  wholeManifestsStay: boolean;
  /** Undoing a removal holds a lease. */
  undoUnderLease: boolean;
  /** A manifest that an undo puts back must lie within the lease. */
  undoWithinLease: boolean;
  /** A removal isn't undone between its two steps. */
  undoAwaitsRemoval: boolean;
  /** A snapshot that an undo brought back while it was removed is put back soon or never. */
  putBackInTime: boolean;
  /** A collector looks for live sessions before it looks for what they may have left behind. */
  leasesBeforeSnapshots: boolean;
  /** Nothing is deleted before the grace has passed. */
  deleteAfterGrace: boolean;
  /** Nothing is deleted while a session lives that began before the condemnation was visible. */
  deleteAfterOlderSessions: boolean;
  /** A lease counts as dead only when its whole life has passed since the last renewal. */
  leaseLivesItsTtl: boolean;
  /** Live chunks are looked for anew before packs are deleted. */
  markAgain: boolean;
  /** Only a pack that exists and that no collection condemns is another home of a chunk. */
  homesAreNotCondemned: boolean;
  /** A pack that holds a live chunk without another home is rescued. */
  rescue: boolean;
  /** Nor is it deleted while a session lives that began before the index told of that other home. */
  homesAreKnownToSessions: boolean;
  /** It stays condemned, because another collector may be about to delete it. */
  rescuedStayCondemned: boolean;
  /** Snapshots in the trash are live. */
  trashIsLive: boolean;
  /** Logs are live. */
  logsAreLive: boolean;
  /** A merged log is put before any of those that went into it is removed. */
  mergedBeforeRemoving: boolean;
  /** A log that is covered by another one goes only where that one holds all of its objects. */
  coveredLogsCompared: boolean;
  /** The trash is listed between two listings of the snapshots, because an undo may move one meanwhile. */
  snapshotsListedAgain: boolean;
  /** What leases protected is looked for only when every listing shows it. */
  waitForListings: boolean;
  /** The trash keeps a snapshot as long as its removal can be undone. */
  keepTrashForUndo: boolean;
  /** Index segments are removed only when what replaces them is stored. */
  replaceBeforeRemoving: boolean;
  /** A writer that has as many packs on their way as it may hold waits for one of them. */
  packsAreBounded: boolean;
  /** A reader fetches ahead as far as its memory for frames goes. */
  framesAreBounded: boolean;
  /** A reader that has as many requests under way as it may have waits for one of them. */
  readsAreBounded: boolean;
}

export const PROTOCOL: Protocol = {
  leaseBeforeIndex: true,
  writersAvoidCondemned: true,
  collectionsBeforePacks: true,
  stopWithoutRenewal: true,
  neverReviveLease: true,
  indexBeforeManifest: true,
  standingManifestsAdopted: true,
  conflictsCompared: true,
  readersHoldLeases: true,
  manifestWithinLease: true,
  manifestSeenBeforeSuccess: true,
  logsSeenWithinLease: true,
  wholeManifestsStay: true,
  undoUnderLease: true,
  undoWithinLease: true,
  undoAwaitsRemoval: true,
  putBackInTime: true,
  leasesBeforeSnapshots: true,
  deleteAfterGrace: true,
  deleteAfterOlderSessions: true,
  leaseLivesItsTtl: true,
  markAgain: true,
  homesAreNotCondemned: true,
  rescue: true,
  homesAreKnownToSessions: true,
  rescuedStayCondemned: true,
  trashIsLive: true,
  logsAreLive: true,
  mergedBeforeRemoving: true,
  coveredLogsCompared: true,
  snapshotsListedAgain: true,
  waitForListings: true,
  keepTrashForUndo: true,
  replaceBeforeRemoving: true,
  packsAreBounded: true,
  framesAreBounded: true,
  readsAreBounded: true,
};
