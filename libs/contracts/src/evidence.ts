import { z } from 'zod';
import { AssertionEvidence } from './assertions.js';
import { ComparisonEvidence } from './comparison.js';
import { Finding } from './finding.js';
import { MissingBackups, RebuildCounts, RebuiltSnapshot } from './found-snapshot.js';
import { BackupLabel, Consistency, VerificationLevel } from './labels.js';
import { SourceTaken, ThrottleFacts } from './source-limits.js';
import { LogGapReason, LogPosition, RecoveryEvidence } from './log-stream.js';
import { MergedTable, SafetyCopy, SafetyCopyOrder } from './merge.js';

export const TableEvidence = z.object({
  schema: z.string(),
  table: z.string(),
  expectedRows: z.number().int(),
  actualRows: z.number().int(),
  matches: z.boolean(),
});
export type TableEvidence = z.infer<typeof TableEvidence>;

export const BackupEvidence = z.object({
  type: z.literal('backup'),
  cleanExit: z.boolean(),
  trailerSeen: z.boolean(),
  objectsExpected: z.number().int(),
  objectsFound: z.number().int(),
  rows: z.number().int(),
  bytes: z.number().int(),
  addedBytes: z.number().int(),
  /** The manifest was put, and seen inside its lease. */
  committed: z.boolean(),
  snapshot: z.string(),
  repository: z.string(),
  label: BackupLabel,
  /** Snapshot that this one is restored upon; absent = it stands alone. */
  parent: z.string().optional(),
  consistency: Consistency,
  consistentAt: z.iso.datetime(),
  positions: z.record(z.string(), z.union([z.string(), z.number()])),
  serverIdentity: z.string(),
  serverVersion: z.string(),
  tool: z.string(),
  /** Where the plan lets it be read elsewhere than from the server's own address. */
  source: SourceTaken.optional(),
  /** Where the plan bounds what it may ask of the source. */
  throttle: ThrottleFacts.optional(),
  findings: z.array(Finding),
});
export type BackupEvidence = z.infer<typeof BackupEvidence>;

/** Evidence crosses the queue; a server may have any number of tables. */
export const MOST_TABLES_READ = 1_000;

export const TableReadEvidence = z.object({
  database: z.string().optional(),
  schema: z.string(),
  table: z.string(),
  rows: z.number().int(),
});
export type TableReadEvidence = z.infer<typeof TableReadEvidence>;

export const VerificationEvidence = z.object({
  type: z.literal('verification'),
  level: VerificationLevel,
  snapshot: z.string(),
  objectsExpected: z.number().int(),
  objectsChecked: z.number().int(),
  bytes: z.number().int(),
  /** FULL only: the test restore's exact proof. */
  tables: z.array(TableEvidence),
  /** FULL of a physical backup: read to their end where there was nothing to compare with. At most the first thousand. */
  tablesRead: z.array(TableReadEvidence).max(MOST_TABLES_READ).optional(),
  restoredOn: z.string().optional(),
  /** FULL only: what the plan's own queries answered on the restored copy. */
  assertions: z.array(AssertionEvidence).optional(),
  recovery: RecoveryEvidence.optional(),
  findings: z.array(Finding),
});
export type VerificationEvidence = z.infer<typeof VerificationEvidence>;

export const RestoreEvidence = z.object({
  type: z.literal('restore'),
  snapshot: z.string(),
  target: z.string(),
  setAside: z.array(z.string()),
  tables: z.array(TableEvidence),
  rows: z.number().int(),
  bytes: z.number().int(),
  recovery: RecoveryEvidence.optional(),
  /** Into a live database: what changed there, and what was kept of it. */
  merged: z.array(MergedTable).optional(),
  safetyCopy: SafetyCopy.optional(),
  /** Of an undo, or of the end of a safety copy. */
  ended: SafetyCopyOrder.pick({ of: true, schema: true, action: true }).optional(),
  findings: z.array(Finding),
});
export type RestoreEvidence = z.infer<typeof RestoreEvidence>;

/** Evidence crosses the queue; of more, the catalog learns when somebody asks for them back. */
export const MOST_SNAPSHOTS_PURGED = 10_000;

const PackAmount = z.object({ packs: z.number().int(), bytes: z.number().int() });

export const CollectionEvidence = z.object({
  type: z.literal('collection'),
  repository: z.string(),
  snapshots: z.number().int(),
  chunks: z.number().int(),
  liveChunks: z.number().int(),
  /** Chunks that snapshots need and no pack holds. */
  missingChunks: z.number().int(),
  /** What is free now. */
  deleted: PackAmount,
  /** Condemned earlier, but needed again. */
  rescued: PackAmount,
  /** To be deleted by a later run, when their time is over. */
  condemned: PackAmount,
  waiting: PackAmount,
  locked: PackAmount,
  copied: PackAmount,
  /** Hardly needed, and not rewritten: that takes a key that reads; `liveBytes` of them are needed. Absent in older evidence. */
  unopened: PackAmount.extend({ liveBytes: z.number() }).optional(),
  /** Whose time in the trash was over; of the first ten thousand the ids. */
  purged: z.number().int(),
  purgedSnapshots: z.array(z.string()).max(MOST_SNAPSHOTS_PURGED),
  findings: z.array(Finding),
});
export type CollectionEvidence = z.infer<typeof CollectionEvidence>;

/** Evidence crosses the queue; of more snapshots only the counts are told. */
export const MOST_SNAPSHOTS_NAMED = 1_000;

/** What a rebuild of the catalog found in one repository, and what became of it. */
export const RebuildEvidence = z.object({
  type: z.literal('rebuild'),
  repository: z.string(),
  /** Nothing was written: what would be recorded counts as recorded. */
  dryRun: z.boolean(),
  /** With those in the trash. */
  found: z.number().int(),
  outcomes: RebuildCounts,
  /** The first of those that were not known. */
  snapshots: z.array(RebuiltSnapshot).max(MOST_SNAPSHOTS_NAMED),
  /** The catalog has them, the repository doesn't: they are marked, and stay. */
  missing: MissingBackups,
  /** Streams of which log was found, and of these the ones that belong to a server of the catalog. Absent in older evidence. */
  logs: z.object({ found: z.number().int(), recorded: z.number().int() }).optional(),
  findings: z.array(Finding),
});
export type RebuildEvidence = z.infer<typeof RebuildEvidence>;

/** A follower ends when it is told to, or where the log can't be followed without a gap. */
export const FollowEvidence = z.object({
  type: z.literal('follow'),
  repository: z.string(),
  stream: z.string(),
  end: z.discriminatedUnion('reason', [
    z.object({ reason: z.literal('stopped'), position: LogPosition.optional() }),
    z.object({ reason: z.literal('gap'), gap: LogGapReason, position: LogPosition.optional(), message: z.string() }),
  ]),
  commits: z.number().int(),
  /** Of the log, and what they added to the repository. */
  bytes: z.number().int(),
  addedBytes: z.number().int(),
  serverIdentity: z.string().optional(),
  serverVersion: z.string().optional(),
  findings: z.array(Finding),
});
export type FollowEvidence = z.infer<typeof FollowEvidence>;

export const Evidence = z.discriminatedUnion('type', [
  BackupEvidence,
  VerificationEvidence,
  RestoreEvidence,
  CollectionEvidence,
  RebuildEvidence,
  FollowEvidence,
  ComparisonEvidence,
]);
export type Evidence = z.infer<typeof Evidence>;

/** An error as it crosses a border. */
export const RunError = z.object({ code: z.string(), message: z.string(), hint: z.string().optional(), retryable: z.boolean() });
export type RunError = z.infer<typeof RunError>;

/** What an attempt ended with. Evidence may stand beside an error: what was reached before it. */
export const AttemptResult = z.discriminatedUnion('outcome', [
  z.object({ outcome: z.literal('evidence'), evidence: Evidence }),
  z.object({ outcome: z.literal('error'), error: RunError, evidence: Evidence.optional() }),
  z.object({ outcome: z.literal('cancelled') }),
]);
export type AttemptResult = z.infer<typeof AttemptResult>;
