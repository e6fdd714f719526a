import type { ArtifactSource, LogRecovery } from '@rahat/connector-kit';
import type { BaseBackupFacts } from '../physical/base-backup-layout.js';
import { parseLogPosition, parseSegmentName } from '../physical/log-position.js';
import { LogRecords, parseLogTime } from './log-records.js';
import type { PlannedRecovery } from './recovery-log.js';
import { type BasePlace, findRoute } from './recovery-route.js';
import { findStop } from './recovery-stop.js';

/** Clocks of the source and of the worker that took the backup hardly differ by more. */
const CLOCKS_DIFFER = 3_600_000_000n;

/** Refuses what can't be reached, with a sentence that says what can, before anything is touched. */
export async function planRecovery(source: ArtifactSource, facts: BaseBackupFacts, recovery: LogRecovery): Promise<PlannedRecovery> {
  const base: BasePlace = {
    timeline: facts.timeline,
    start: parseLogPosition(facts.startPosition),
    end: parseLogPosition(facts.endPosition),
    segmentSize: facts.segmentSize,
  };
  const route = findRoute(base, recovery.log, recovery.timeline);
  const { target } = recovery;
  const mayLieBefore = target.kind === 'time' && parseLogTime(target.time) < parseLogTime(source.facts.consistentAt) + CLOCKS_DIFFER;
  const stop = await findStop(target, base, route, recovery.log, () =>
    mayLieBefore ? endedInBase(source, facts, base) : Promise.resolve({}),
  );
  return { base, route, stop, recovery };
}

/**
 * The earliest time that can be reached: when the last transaction ended before the base backup was consistent, by its own log. An
 * idle source has none there; then it is when the backup was complete. PostgreSQL itself would take an earlier time and show a later state.
 */
async function endedInBase(source: ArtifactSource, facts: BaseBackupFacts, base: BasePlace): Promise<{ last?: bigint }> {
  const segments = source.artifacts
    .filter(({ kind }) => kind === 'log')
    .flatMap((artifact) => {
      const segment = parseSegmentName(artifact.key.slice(artifact.key.lastIndexOf('/') + 1), facts.segmentSize);
      return segment?.timeline === base.timeline && segment.start < base.end ? [{ artifact, start: segment.start }] : [];
    })
    .sort((a, b) => (a.start < b.start ? -1 : 1));
  const [first] = segments;
  let last: bigint | undefined;
  if (!first) return { last: parseLogTime(source.facts.consistentAt) };
  const records = new LogRecords(first.start, facts.segmentSize, (event) => {
    if (event.kind !== 'transaction' || event.start < base.start || event.end > base.end) return;
    if (last === undefined || event.at > last) last = event.at;
  });
  for (const { artifact } of segments) for await (const bytes of source.read(artifact)) records.push(bytes);
  return { last: last ?? parseLogTime(source.facts.consistentAt) };
}
