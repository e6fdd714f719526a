import { describe, expect, it } from '@jest/globals';
import type {
  BackupEvidence,
  CollectionEvidence,
  ComparisonEvidence,
  Evidence,
  Finding,
  RebuildEvidence,
  RestoreEvidence,
  VerificationEvidence,
} from '@rahat/contracts';
import { judge } from './judgement.js';

const backup: BackupEvidence = {
  type: 'backup',
  cleanExit: true,
  trailerSeen: true,
  objectsExpected: 3,
  objectsFound: 3,
  rows: 10,
  bytes: 1000,
  addedBytes: 500,
  committed: true,
  snapshot: 's1',
  repository: 'r1',
  label: 'full',
  consistency: 'snapshot',
  consistentAt: '2026-11-24T03:00:00Z',
  positions: {},
  serverIdentity: '7',
  serverVersion: '15.1',
  tool: 'pg_dump 15.1',
  findings: [],
};
const verification: VerificationEvidence = {
  type: 'verification',
  level: 'FULL',
  snapshot: 's1',
  objectsExpected: 3,
  objectsChecked: 3,
  bytes: 1000,
  restoredOn: 'postgresql 15.1',
  tables: [{ schema: 'public', table: 'orders', expectedRows: 4, actualRows: 4, matches: true }],
  findings: [],
};
const restore: RestoreEvidence = {
  type: 'restore',
  snapshot: 's1',
  target: 'shop_restored',
  setAside: [],
  tables: verification.tables,
  rows: 4,
  bytes: 100,
  findings: [],
};
const undone: RestoreEvidence = { ...restore, tables: [], merged: [], ended: { of: 'run_1', schema: 'rahat_undo_1', action: 'undo' } };
const none = { packs: 0, bytes: 0 };
const rebuild: RebuildEvidence = {
  type: 'rebuild',
  repository: 'r1',
  dryRun: false,
  found: 1,
  outcomes: { known: 1, recorded: 0, recordedInTrash: 0, corrected: 0, inFlight: 0, givenUp: 0, foreign: 0, unreadable: 0 },
  snapshots: [],
  missing: { count: 0, backups: [] },
  findings: [],
};
const collection: CollectionEvidence = {
  type: 'collection',
  repository: 'r1',
  snapshots: 3,
  chunks: 10,
  liveChunks: 8,
  missingChunks: 0,
  deleted: { packs: 1, bytes: 100 },
  rescued: none,
  condemned: none,
  waiting: none,
  locked: none,
  copied: none,
  purged: 0,
  purgedSnapshots: [],
  findings: [],
};
const comparison: ComparisonEvidence = {
  type: 'comparison',
  snapshot: 's1',
  newer: { kind: 'backup', snapshot: 's2' },
  equal: false,
  objects: { count: 1, first: [] },
  tables: { count: 1, unchanged: 2, first: [] },
  sequences: 0,
  bytes: 100,
  findings: [],
};
const finding = (severity: Finding['severity']): Finding => ({ code: 'x', severity, message: `a ${severity}`, object: 'public.orders' });

const answered = (passed: boolean): VerificationEvidence => ({
  ...verification,
  assertions: [
    { name: 'orders', passed, message: `Assertion 'orders' ${passed ? 'holds' : 'failed'}: expected 5, found 4.`, milliseconds: 3 },
  ],
});

const expectationOf = (evidence: Evidence) => ({ type: evidence.type, snapshot: 's1', repository: 'r1', level: 'FULL' as const });
const stateOf = (evidence: Evidence) => judge({ outcome: 'evidence', evidence }, expectationOf(evidence)).state;

describe('judgement of evidence', () => {
  it.each<[string, Evidence, string]>([
    ['a collection that deleted what nobody needs', collection, 'succeeded'],
    ['a collection that found nothing to do', { ...collection, deleted: none, snapshots: 0, chunks: 0, liveChunks: 0 }, 'succeeded'],
    ['a collection that misses chunks', { ...collection, missingChunks: 1 }, 'partial'],
    ['a collection that could not read a pack', { ...collection, findings: [finding('gap')] }, 'partial'],
    ['a collection that waits for others', { ...collection, findings: [finding('info')] }, 'succeeded'],
    ['a collection of another repository', { ...collection, repository: 'r2' }, 'failed'],
    ['a rebuild that found all', rebuild, 'succeeded'],
    ['a rebuild that could not read a snapshot', { ...rebuild, findings: [finding('gap')] }, 'partial'],
    ['a rebuild that misses backups', { ...rebuild, missing: { count: 1, backups: [] } }, 'partial'],
    ['a rebuild from another repository', { ...rebuild, repository: 'r2' }, 'failed'],
    ['a comparison that found differences', comparison, 'succeeded'],
    ['a comparison that left something out', { ...comparison, findings: [finding('gap')] }, 'partial'],
    ['a comparison of another backup', { ...comparison, snapshot: 's3' }, 'failed'],
    ['a complete backup', backup, 'succeeded'],
    ['warnings do not make a backup incomplete', { ...backup, findings: [finding('warning'), finding('info')] }, 'succeeded'],
    ['a gap', { ...backup, findings: [finding('gap')] }, 'partial'],
    ['a missing object', { ...backup, objectsFound: 2 }, 'partial'],
    ['an object too many', { ...backup, objectsFound: 4 }, 'partial'],
    ['no consistency', { ...backup, consistency: 'none' }, 'partial'],
    ['an unclean exit', { ...backup, cleanExit: false }, 'failed'],
    ['exit 0 with a truncated stream', { ...backup, trailerSeen: false }, 'failed'],
    ['exit 0 with zero bytes', { ...backup, bytes: 0, rows: 0 }, 'failed'],
    ['objects expected and nothing found', { ...backup, objectsFound: 0 }, 'failed'],
    ['an empty database: a dump without objects', { ...backup, objectsExpected: 0, objectsFound: 0, rows: 0 }, 'succeeded'],
    ['nothing expected, and zero bytes', { ...backup, objectsExpected: 0, objectsFound: 0, rows: 0, bytes: 0 }, 'failed'],
    ['no commit', { ...backup, committed: false }, 'failed'],
    ["another run's snapshot", { ...backup, snapshot: 's2' }, 'failed'],
    ['another repository', { ...backup, repository: 'r2' }, 'failed'],
    ['a blocker', { ...backup, findings: [finding('blocker')] }, 'failed'],
    ['a complete verification', verification, 'succeeded'],
    ['a verified database without tables', { ...verification, tables: [] }, 'succeeded'],
    ['a lower level than asked', { ...verification, level: 'BASIC' }, 'failed'],
    ['FULL without a restore', { ...verification, restoredOn: undefined }, 'failed'],
    ['an unchecked object', { ...verification, objectsChecked: 2 }, 'failed'],
    ['nothing checked', { ...verification, objectsExpected: 0, objectsChecked: 0 }, 'failed'],
    [
      'a lost row although it is said to match',
      { ...verification, tables: [{ schema: 'public', table: 'orders', expectedRows: 4, actualRows: 3, matches: true }] },
      'failed',
    ],
    [
      'other content',
      { ...verification, tables: [{ schema: 'public', table: 'orders', expectedRows: 4, actualRows: 4, matches: false }] },
      'failed',
    ],
    ['verification of another snapshot', { ...verification, snapshot: 's2' }, 'failed'],
    ['a gap of the verification', { ...verification, findings: [finding('gap')] }, 'partial'],
    ['a complete restore', restore, 'succeeded'],
    [
      'a restore with lost rows',
      { ...restore, tables: [{ schema: 'public', table: 'orders', expectedRows: 4, actualRows: 0, matches: false }] },
      'failed',
    ],
    ['a restore with a gap', { ...restore, findings: [finding('gap')] }, 'partial'],
  ])('%s', (_, evidence, state) => {
    expect(stateOf(evidence)).toBe(state);
  });

  it.each<[string, RestoreEvidence, object, string]>([
    ['rows in live tables', { ...restore, merged: [] }, { merged: true }, 'succeeded'],
    ['rows in another database instead of live tables', restore, { merged: true }, 'failed'],
    ['an undo', undone, { ended: undone.ended }, 'succeeded'],
    ['a drop instead of an undo', undone, { ended: { ...undone.ended, action: 'drop' } }, 'failed'],
    ['the end of another safety copy', undone, { ended: { ...undone.ended, schema: 'rahat_undo_2' } }, 'failed'],
    ['a restore instead of an undo', restore, { ended: undone.ended }, 'failed'],
    ['an undo instead of a restore', undone, {}, 'failed'],
  ])('%s', (_, evidence, expected, state) => {
    expect(judge({ outcome: 'evidence', evidence }, { ...expectationOf(evidence), ...expected }).state).toBe(state);
  });

  it('tells every rule that was not met', () => {
    const judgement = judge(
      { outcome: 'evidence', evidence: { ...backup, cleanExit: false, committed: false, findings: [finding('gap')] } },
      expectationOf(backup),
    );
    expect(judgement.reasons).toEqual(['The dump did not end cleanly.', 'The snapshot was not committed.', 'public.orders: a gap']);
  });

  it('is never green for an error, even beside complete evidence', () => {
    const error = { code: 'tool_failed', message: 'pg_dump was killed', retryable: true };
    expect(judge({ outcome: 'error', error, evidence: backup }, expectationOf(backup))).toEqual({
      state: 'failed',
      reasons: ['pg_dump was killed'],
      error,
    });
  });

  it('refuses evidence of another kind of run', () => {
    expect(judge({ outcome: 'evidence', evidence: verification }, expectationOf(backup)).state).toBe('failed');
  });

  it('calls a backup mismatched only for what is wrong with it', () => {
    const codeOf = (evidence: VerificationEvidence) => {
      const judgement = judge({ outcome: 'evidence', evidence }, expectationOf(verification));
      return judgement.state === 'failed' ? judgement.error.code : judgement.state;
    };
    expect(codeOf({ ...verification, snapshot: 's2' })).toBe('message_invalid');
    expect(codeOf({ ...verification, restoredOn: undefined })).toBe('restore_failed');
    expect(codeOf({ ...verification, restoredOn: undefined, findings: [finding('blocker')] })).toBe('restore_mismatch');
    expect(codeOf({ ...verification, objectsChecked: 2 })).toBe('restore_mismatch');
  });
});

describe('judgement of a plan’s own assertions', () => {
  const expected = { type: 'verification', snapshot: 's1', repository: 'r1', level: 'FULL', assertions: ['orders'] } as const;
  const judged = (evidence: VerificationEvidence) => judge({ outcome: 'evidence', evidence }, expected);

  it('needs each of them to hold', () => {
    expect(judged(answered(true))).toEqual({ state: 'succeeded', reasons: [] });
    expect(judged(answered(false))).toMatchObject({
      state: 'failed',
      reasons: ["Assertion 'orders' failed: expected 5, found 4."],
      error: { code: 'assertion_failed', retryable: false },
    });
  });
  it('is not green for a worker that did not ask, and calls nothing damaged for it', () => {
    expect(judged(verification)).toMatchObject({
      state: 'failed',
      reasons: ["Assertion 'orders' was not checked."],
      error: { code: 'restore_failed' },
    });
  });
  it('says first that the copy differs', () => {
    const tables = [{ schema: 'public', table: 'orders', expectedRows: 5, actualRows: 4, matches: false }];
    expect(judged({ ...answered(false), tables })).toMatchObject({ state: 'failed', error: { code: 'restore_mismatch' } });
  });
});
