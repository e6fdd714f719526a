import { z } from 'zod';
import { Assertion } from './assertions.js';
import { ComparedWith } from './compared-with.js';
import { BackupMethod, BackupType, Engine, VerificationLevel } from './labels.js';
import { PostgresqlConnection } from './connection.js';
import { ContentUpload } from './contents.js';
import { HookInput } from './hooks.js';
import { FollowOrder, Recovery } from './log-stream.js';
import { CloudAccountConnection } from './managed-snapshots.js';
import { Merge, SafetyCopyOrder } from './merge.js';
import { RepositoryAccess } from './repository-grant.js';
import { SourceChoice, SourceLimits } from './source-limits.js';
import { TableName } from './table-name.js';

/** The secrets of a run spec, as they are after a worker opened the sealed part (design.md §6, §8). */
export const RunSecrets = z.object({
  source: PostgresqlConnection.optional(),
  target: PostgresqlConnection.optional(),
  /** Of a backup that may be read from one of them. */
  standbys: z.array(PostgresqlConnection).optional(),
  repositories: z.array(RepositoryAccess),
  /** Of a backup: done by the worker before and after it. Their addresses may be secrets themselves. */
  hooks: z.array(HookInput).optional(),
  /** Of a question for what a provider holds. */
  cloudAccount: CloudAccountConnection.optional(),
  /** Of a question for what a backup holds. */
  upload: ContentUpload.optional(),
});
export type RunSecrets = z.infer<typeof RunSecrets>;

export const RestoreTarget = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('database'), name: z.string().min(1).max(63), replace: z.boolean().default(false) }).strict(),
  z.object({ kind: z.literal('folder'), path: z.string().startsWith('/') }).strict(),
]);
export type RestoreTarget = z.infer<typeof RestoreTarget>;

/** One database out of a backup of the whole server. */
export const FromDatabase = z.string().min(1).max(63);

const SpecHead = z.object({
  version: z.literal(1),
  run: z.string(),
  attempt: z.number().int().min(1),
  organization: z.string(),
  /** Hard limit for the whole attempt. */
  deadline: z.iso.datetime(),
  /** The attempt ends when nothing moved for this long. */
  noProgressSeconds: z.number().int().positive().default(900),
  /** HPKE-sealed RunSecrets (base64), bound to run and attempt, for the pool's key. */
  sealedSecrets: z.string(),
});

const ServerSpecHead = SpecHead.extend({ engine: Engine, server: z.object({ id: z.string(), name: z.string() }) });

export const BackupSpec = ServerSpecHead.extend({
  type: z.literal('backup'),
  method: BackupMethod,
  /** Absent = full, as schedulers before the other types say it. */
  backupType: BackupType.optional(),
  /** Snapshot that a differential or incremental one is taken upon; absent = none was found, and a full one is taken. */
  parent: z.string().optional(),
  /** Why a full one is taken where the plan says otherwise, as the end of a sentence. */
  fullBecause: z.string().optional(),
  database: z.object({ id: z.string().optional(), name: z.string() }).optional(),
  /** For the manifest. */
  plan: z.object({ id: z.string(), name: z.string() }).optional(),
  /** Given by the scheduler, so that a repeated commit is the same commit. */
  snapshot: z.string(),
  repository: z.string(),
  deep: z.boolean().default(false),
  /** About how much the source holds, where discovery told it. */
  sourceBytes: z.number().int().nonnegative().optional(),
  sourceLimits: SourceLimits.optional(),
  /** Absent = the server's own address. `identity`: what the server told of itself before, where it did. */
  source: SourceChoice.extend({ identity: z.string().optional() }).optional(),
});

export const VerificationSpec = ServerSpecHead.extend({
  type: z.literal('verification'),
  level: VerificationLevel,
  snapshot: z.string(),
  repository: z.string(),
  /** FULL only. */
  assertions: z.array(Assertion).optional(),
  /** FULL of a physical backup only: the log is replayed on the restored copy as far as this. */
  recovery: Recovery.optional(),
});

export const RestoreSpec = ServerSpecHead.extend({
  type: z.literal('restore'),
  snapshot: z.string(),
  repository: z.string(),
  /** Of a physical backup, for a target that is a database: which of its databases. A worker that doesn't know it refuses such a target. */
  fromDatabase: FromDatabase.optional(),
  target: RestoreTarget,
  tables: z.array(TableName).optional(),
  intoExisting: z.boolean().default(false),
  noOwner: z.boolean().default(false),
  noAcl: z.boolean().default(false),
  /** Of a physical backup. */
  recovery: Recovery.optional(),
  /** Absent `intoExisting` beside it: a worker that doesn't know it refuses, because the database exists. */
  merge: Merge.optional(),
});

/** The undo of a restore into a live database, or the end of its safety copy. A type of its own, which no older worker takes for a restore. */
export const SafetyCopySpec = ServerSpecHead.extend({
  type: z.literal('safety-copy'),
  /** What was restored then. */
  snapshot: z.string(),
  database: z.string(),
  order: SafetyCopyOrder,
});

/** Frees what no snapshot of the repository needs any more. */
export const CollectionSpec = SpecHead.extend({
  type: z.literal('collection'),
  repository: z.string(),
  /** So long a removed snapshot stays in the trash. */
  undoPeriodSeconds: z.number().int().positive(),
});

/** Reads what the repository holds, for the catalog. */
export const RebuildSpec = SpecHead.extend({ type: z.literal('rebuild'), repository: z.string(), dryRun: z.boolean() });

/** Follows the log of a server without an end: there is no deadline, and an idle source is no standstill. */
export const FollowSpec = ServerSpecHead.extend({ type: z.literal('follow'), deadline: z.iso.datetime().optional(), ...FollowOrder.shape });

/** Of two snapshots of one repository, or of a snapshot and the database that it is of. */
export const ComparisonSpec = ServerSpecHead.extend({
  type: z.literal('comparison'),
  snapshot: z.string(),
  repository: z.string(),
  newer: ComparedWith,
  tables: z.array(TableName).optional(),
  schemaOnly: z.boolean().default(false),
});

/** All that a worker needs for one attempt. */
export const RunSpec = z.discriminatedUnion('type', [
  BackupSpec,
  VerificationSpec,
  RestoreSpec,
  SafetyCopySpec,
  CollectionSpec,
  RebuildSpec,
  FollowSpec,
  ComparisonSpec,
]);
export type RunSpec = z.infer<typeof RunSpec>;
export type BackupSpec = z.infer<typeof BackupSpec>;
export type VerificationSpec = z.infer<typeof VerificationSpec>;
export type RestoreSpec = z.infer<typeof RestoreSpec>;
export type SafetyCopySpec = z.infer<typeof SafetyCopySpec>;
export type CollectionSpec = z.infer<typeof CollectionSpec>;
export type RebuildSpec = z.infer<typeof RebuildSpec>;
export type FollowSpec = z.infer<typeof FollowSpec>;
export type ComparisonSpec = z.infer<typeof ComparisonSpec>;
