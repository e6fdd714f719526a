import { type CollectionEvidence, type CollectionSpec, type Finding, MOST_SNAPSHOTS_PURGED, type RunSecrets } from '@rahat/contracts';
import type { CollectReport } from '@rahat/repository';
import { openRepositoryToWrite, type ExecutionOptions } from './run-context.js';

const FINDINGS_TOLD = 100;

/** One step of the collection (repository.md §8): deletes what earlier ones condemned, and condemns. */
export async function executeCollection(spec: CollectionSpec, secrets: RunSecrets, options: ExecutionOptions): Promise<CollectionEvidence> {
  options.onProgress({ phase: 'opening repository', bytes: 0 });
  let bytes = 0;
  const onCall = (name: string, moved: number) => {
    bytes += moved;
    options.onProgress({ phase: 'collecting', object: name, bytes });
  };
  const repository = await openRepositoryToWrite(secrets, spec.repository, options, onCall);
  const report = await repository.collect({ undoPeriodMs: spec.undoPeriodSeconds * 1000, signal: options.signal });
  const { deleted, rescued, locked, waiting, copied } = report;
  options.onLog(
    'info',
    `${deleted.packs} packs of ${deleted.bytes} bytes deleted, ${rescued.packs} rescued, ${report.purgedSnapshots.length} snapshots left the trash`,
  );
  return {
    type: 'collection',
    repository: spec.repository,
    snapshots: report.snapshots,
    chunks: report.chunks,
    liveChunks: report.liveChunks,
    missingChunks: report.missingChunks,
    deleted,
    rescued,
    condemned: condemnedIn(report),
    waiting,
    locked,
    copied: { packs: copied.packs, bytes: copied.bytes },
    unopened: report.unopened,
    purged: report.purgedSnapshots.length,
    purgedSnapshots: report.purgedSnapshots.slice(0, MOST_SNAPSHOTS_PURGED),
    findings: findingsIn(report),
  };
}

function condemnedIn({ condemned }: CollectReport): { packs: number; bytes: number } {
  return Object.values(condemned).reduce((sum, { packs, bytes }) => ({ packs: sum.packs + packs, bytes: sum.bytes + bytes }), {
    packs: 0,
    bytes: 0,
  });
}

function findingsIn(report: CollectReport): Finding[] {
  const unreadable = report.unreadable.slice(0, FINDINGS_TOLD).map(({ file, message }): Finding => ({
    code: 'repository_damaged',
    severity: 'gap',
    object: file,
    message,
    fix: 'Run a check of the repository to see what is affected.',
  }));
  return [...unreadable, ...unopenedIn(report), ...sessionsIn(report)];
}

function unopenedIn({ unopened: { packs, bytes } }: CollectReport): Finding[] {
  if (packs === 0) return [];
  return [
    {
      code: 'packs_not_rewritten',
      severity: 'warning',
      message: `${packs} packs of ${bytes} bytes, of which less than half is needed, stay as they are: this run's key only writes`,
      fix: 'Let collections of this repository rewrite packs, which gives their workers a key that reads; or collect it offline now and then.',
    },
  ];
}

function sessionsIn({ waitingFor }: CollectReport): Finding[] {
  if (waitingFor.length === 0) return [];
  const others = waitingFor.length > 3 ? ` and ${waitingFor.length - 3} more` : '';
  return [
    {
      code: 'sessions_running',
      severity: 'info',
      message: `What may still be needed by ${waitingFor.slice(0, 3).join(', ')}${others} is deleted by a later run`,
    },
  ];
}
