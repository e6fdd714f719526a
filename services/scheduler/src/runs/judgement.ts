import { isDeepStrictEqual } from 'node:util';
import type {
  AttemptResult,
  BackupEvidence,
  CollectionEvidence,
  FollowEvidence,
  Recovery,
  ComparisonEvidence,
  RebuildEvidence,
  RestoreEvidence,
  RunError,
  RunType,
  SafetyCopyOrder,
  TableEvidence,
  VerificationEvidence,
  VerificationLevel,
} from '@rahat/contracts';

/** What the run was meant to do; evidence of anything else counts for nothing. */
export interface Expectation {
  type: RunType;
  /** null = nothing in particular: a collection. */
  snapshot: string | null;
  repository: string;
  level?: VerificationLevel;
  stream?: string;
  /** How far the log had to be replayed. */
  recovery?: Recovery;
  /** Of an undo, or of the end of a safety copy. */
  ended?: Pick<SafetyCopyOrder, 'schema' | 'action'>;
  /** The rows had to go into a live database. */
  merged?: boolean;
  /** Names of the questions that had to be asked. */
  assertions?: readonly string[];
}

export type Judgement =
  | { state: 'succeeded'; reasons: [] }
  | { state: 'partial'; reasons: string[] }
  | { state: 'failed'; reasons: string[]; error: RunError }
  | { state: 'cancelled'; reasons: string[] };

/** Two sets of unmet rules: the first make the result worthless, the second incomplete. */
interface Unmet {
  fatal: string[];
  missing: string[];
}

/** Evidence decides the state (design.md §6); an exit code alone proves nothing, and whatever is missing is told. */
export function judge(result: AttemptResult, expected: Expectation): Judgement {
  if (result.outcome === 'cancelled') return { state: 'cancelled', reasons: ['The worker stopped because of the cancellation.'] };
  if (result.outcome === 'error') return { state: 'failed', reasons: [result.error.message], error: result.error };
  const { evidence } = result;
  if (evidence.type !== expected.type)
    return failed([`The worker gave evidence of a ${evidence.type} for a ${expected.type}.`], 'message_invalid', false);
  switch (evidence.type) {
    case 'backup':
      return conclude(unmetByBackup(evidence, expected), 'dump_truncated', true);
    case 'verification':
      return judgeVerification(evidence, expected);
    case 'restore':
      return conclude(unmetByRestore(evidence, expected), 'restore_mismatch', false);
    case 'collection':
      return judgeCollection(evidence, expected);
    case 'rebuild':
      return judgeRebuild(evidence, expected);
    case 'follow':
      return judgeFollower(evidence, expected);
    case 'comparison':
      return judgeComparison(evidence, expected);
  }
}

function unmetByBackup(evidence: BackupEvidence, expected: Expectation): Unmet {
  const fatal = [
    ...unless(evidence.cleanExit, 'The dump did not end cleanly.'),
    ...unless(evidence.trailerSeen, 'The end of the dump was not seen.'),
    ...unless(evidence.committed, 'The snapshot was not committed.'),
    ...unless(evidence.snapshot === expected.snapshot, `Snapshot ${evidence.snapshot} was committed instead of ${expected.snapshot}.`),
    ...unless(
      evidence.repository === expected.repository,
      `The snapshot lies in repository ${evidence.repository} instead of ${expected.repository}.`,
    ),
    // An empty database has no objects; its dump still has a beginning and an end, and therefore bytes.
    ...unless(evidence.objectsFound > 0 || evidence.objectsExpected === 0, 'Nothing was stored.'),
    ...unless(evidence.bytes > 0, 'The dump is empty: zero bytes.'),
    ...findingsOf(evidence, 'blocker'),
  ];
  const missing = [
    ...unless(
      evidence.objectsFound === evidence.objectsExpected,
      `${evidence.objectsFound} of ${evidence.objectsExpected} objects were stored.`,
    ),
    ...unless(evidence.consistency !== 'none', 'The objects are not consistent with each other.'),
    ...findingsOf(evidence, 'gap'),
  ];
  return { fatal, missing };
}

/** Only what is wrong with the backup itself may call it damaged; a look at something else, or none at all, says nothing of it. */
function judgeVerification(evidence: VerificationEvidence, expected: Expectation): Judgement {
  const misdirected = [
    ...unless(evidence.snapshot === expected.snapshot, `Snapshot ${evidence.snapshot} was verified instead of ${expected.snapshot}.`),
    ...unless(evidence.level === expected.level, `Level ${evidence.level} was reached instead of ${expected.level}.`),
  ];
  if (misdirected.length > 0) return failed(misdirected, 'message_invalid', false);
  const unmet: Unmet = {
    fatal: [
      ...unless(evidence.objectsExpected > 0, 'There was nothing to verify.'),
      ...unless(
        evidence.objectsChecked >= evidence.objectsExpected,
        `${evidence.objectsChecked} of ${evidence.objectsExpected} objects were checked.`,
      ),
      ...mismatchesOf(evidence.tables),
      ...findingsOf(evidence, 'blocker'),
    ],
    missing: findingsOf(evidence, 'gap'),
  };
  const answers = evidence.assertions ?? [];
  const unproven = [
    ...unless(evidence.level !== 'FULL' || Boolean(evidence.restoredOn), 'No test restore took place.'),
    ...unless(reached(evidence, expected), 'The log was not replayed up to the moment that was drawn.'),
    ...(expected.assertions ?? [])
      .filter((name) => !answers.some((answer) => answer.name === name))
      .map((name) => `Assertion '${name}' was not checked.`),
  ];
  const broken = answers.filter(({ passed }) => !passed).map(({ message }) => message);
  // A copy that is not what was backed up says nothing about what was backed up.
  if (unmet.fatal.length === 0 && broken.length > 0) return failed([...broken, ...unproven, ...unmet.missing], 'assertion_failed', false);
  if (unmet.fatal.length === 0 && unproven.length > 0) return failed(unproven, 'restore_failed', false);
  return conclude(unmet, 'restore_mismatch', false);
}

function unmetByRestore(evidence: RestoreEvidence, expected: Expectation): Unmet {
  const fatal = [
    ...unless(evidence.snapshot === expected.snapshot, `Snapshot ${evidence.snapshot} was restored instead of ${expected.snapshot}.`),
    ...unless(
      evidence.ended?.schema === expected.ended?.schema && evidence.ended?.action === expected.ended?.action,
      expected.ended
        ? `The safety copy ${expected.ended.schema} was not ended as it was told.`
        : 'A safety copy was ended instead of a restore.',
    ),
    ...unless(!expected.merged || evidence.merged !== undefined, 'The rows did not go into the live tables.'),
    ...mismatchesOf(evidence.tables),
    ...findingsOf(evidence, 'blocker'),
  ];
  return { fatal, missing: findingsOf(evidence, 'gap') };
}

/** What it freed is free; what it could not read, or did not find, is told, because no later collection makes it whole. */
function judgeCollection(evidence: CollectionEvidence, expected: Expectation): Judgement {
  if (evidence.repository !== expected.repository)
    return failed([`Repository ${evidence.repository} was collected instead of ${expected.repository}.`], 'message_invalid', false);
  const missing = [
    ...unless(evidence.missingChunks === 0, `${evidence.missingChunks} chunks that snapshots need are in no pack: check the repository.`),
    ...findingsOf(evidence, 'gap'),
  ];
  return conclude({ fatal: findingsOf(evidence, 'blocker'), missing }, 'repository_damaged', false);
}

/** The catalog is as whole as the repository is; what it could not take in, and what it has without the repository, is told each time. */
function judgeRebuild(evidence: RebuildEvidence, expected: Expectation): Judgement {
  if (evidence.repository !== expected.repository)
    return failed([`Repository ${evidence.repository} was read instead of ${expected.repository}.`], 'message_invalid', false);
  const { count } = evidence.missing;
  const missing = [
    ...findingsOf(evidence, 'gap'),
    ...unless(count === 0, `${count} backups of the catalog are not in the repository; they are marked, and were not removed.`),
  ];
  return conclude({ fatal: findingsOf(evidence, 'blocker'), missing }, 'repository_damaged', false);
}

/** It has no good end: it is stopped, and goes on elsewhere where nobody cancelled it, or the log is not whole. */
function judgeFollower({ repository, stream, end }: FollowEvidence, expected: Expectation): Judgement {
  if (repository !== expected.repository || stream !== expected.stream)
    return failed([`The stream ${stream} was followed into ${repository} instead of ${expected.stream}.`], 'message_invalid', false);
  if (end.reason === 'gap') return failed([end.message], 'log_gap', false);
  return { state: 'cancelled', reasons: ['The follower was stopped.'] };
}

/** That something differs is its result, and nothing that went wrong. */
function judgeComparison(evidence: ComparisonEvidence, expected: Expectation): Judgement {
  if (evidence.snapshot !== expected.snapshot)
    return failed([`Snapshot ${evidence.snapshot} was compared instead of ${expected.snapshot}.`], 'message_invalid', false);
  return conclude({ fatal: findingsOf(evidence, 'blocker'), missing: findingsOf(evidence, 'gap') }, 'dump_invalid', false);
}

function reached({ recovery }: Pick<VerificationEvidence, 'recovery'>, expected: Expectation): boolean {
  return expected.recovery === undefined || isDeepStrictEqual(recovery?.target, expected.recovery.target);
}

function conclude({ fatal, missing }: Unmet, code: RunError['code'], retryable: boolean): Judgement {
  if (fatal.length > 0) return failed([...fatal, ...missing], code, retryable);
  if (missing.length > 0) return { state: 'partial', reasons: missing };
  return { state: 'succeeded', reasons: [] };
}

function failed(reasons: string[], code: RunError['code'], retryable: boolean): Judgement {
  return { state: 'failed', reasons, error: { code, message: reasons.join(' '), retryable } };
}

function unless(met: boolean, reason: string): string[] {
  return met ? [] : [reason];
}

function findingsOf(evidence: { findings: BackupEvidence['findings'] }, severity: 'blocker' | 'gap'): string[] {
  return evidence.findings
    .filter((finding) => finding.severity === severity)
    .map((finding) => (finding.object ? `${finding.object}: ${finding.message}` : finding.message));
}

function mismatchesOf(tables: TableEvidence[]): string[] {
  return tables
    .filter((table) => !table.matches || table.actualRows !== table.expectedRows)
    .map(
      (table) =>
        `${table.schema}.${table.table} differs: ${table.expectedRows} rows expected, ${table.actualRows} found${table.actualRows === table.expectedRows ? ', with other content' : ''}.`,
    );
}
