import type { CollectReport } from '../repository.js';

export function emptyReport(dryRun: boolean): CollectReport {
  const none = () => ({ packs: 0, bytes: 0 });
  const condemned = () => ({ packs: 0, bytes: 0, liveBytes: 0 });
  return {
    dryRun,
    snapshots: 0,
    logs: 0,
    chunks: 0,
    liveChunks: 0,
    missingChunks: 0,
    deleted: none(),
    rescued: none(),
    waiting: none(),
    locked: none(),
    waitingFor: [],
    condemned: { dead: condemned(), sparse: condemned(), small: condemned(), unreadable: condemned() },
    unopened: condemned(),
    copied: { packs: 0, chunks: 0, bytes: 0 },
    adoptedPacks: 0,
    purgedSnapshots: [],
    purgedLogs: [],
    mergedLogs: 0,
    expiredLeases: 0,
    replacedSegments: 0,
    unreadable: [],
  };
}
