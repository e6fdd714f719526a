import { z } from 'zod';
import { Evidence, RunError } from '../evidence.js';
import { Finding } from '../finding.js';
import { PageQuery } from './page.js';
import { SearchFilters } from './annotations.js';
import { BackupHold } from './retention.js';
import { FromDatabase, RestoreTarget } from '../run-spec.js';
import { LockWaitSeconds, Merge, SafetyCopy } from '../merge.js';
import { TableName } from '../table-name.js';
import { TagFilter } from '../tags.js';
import { LogPosition, LogProgress, RecoveryTarget } from '../log-stream.js';
import { BackupLabel, BackupMethod, BackupType, Consistency, RunState, RunType, VerificationLevel } from '../labels.js';

/** Why a run that is due doesn't run yet. */
export const WaitingFor = z
  .object({
    reason: z.enum(['paused', 'blackout', 'retry_pause', 'server', 'pool', 'storage', 'worker', 'turn', 'preparation']),
    message: z.string(),
    /** When it can go on, where that is known. */
    until: z.iso.datetime().optional(),
  })
  .meta({ id: 'WaitingFor' });
export type WaitingFor = z.infer<typeof WaitingFor>;

export const RunPause = z.object({ at: z.iso.datetime(), by: z.string() }).meta({ id: 'RunPause' });
export type RunPause = z.infer<typeof RunPause>;

export const Run = z
  .object({
    id: z.string(),
    type: RunType,
    state: RunState,
    /** Of a backup. */
    backupType: BackupType.nullable(),
    /** 1 = first, 100 = last. */
    priority: z.number().int(),
    waitingFor: WaitingFor.nullable(),
    pause: RunPause.nullable(),
    /** When the schedule said, before jitter and blackout windows moved it to `dueAt`. */
    occursAt: z.iso.datetime().nullable(),
    attempt: z.number().int(),
    maxAttempts: z.number().int(),
    plan: z.string().nullable(),
    /** null = it works on a repository as a whole. */
    server: z.string().nullable(),
    repository: z.string(),
    database: z.string().nullable(),
    backup: z.string().nullable(),
    /** Of a follower. */
    stream: z.string().nullable(),
    level: VerificationLevel.nullable(),
    dueAt: z.iso.datetime(),
    startedAt: z.iso.datetime().nullable(),
    finishedAt: z.iso.datetime().nullable(),
    worker: z.string().nullable(),
    progress: z
      .object({
        phase: z.string(),
        object: z.string().optional(),
        bytes: z.number(),
        totalBytes: z.number().optional(),
        addedBytes: z.number().optional(),
        /** Why the source is read slower than it could be. */
        slowedBy: z.string().optional(),
        log: LogProgress.optional(),
        at: z.iso.datetime(),
      })
      .nullable(),
    evidence: Evidence.nullable(),
    /** Why the state is what it is; every rule that was not met. */
    reasons: z.array(z.string()),
    error: RunError.nullable(),
    tags: z.array(z.string()),
    note: z.string(),
  })
  .meta({ id: 'Run' });
export type Run = z.infer<typeof Run>;

export const RunLogLine = z
  .object({ at: z.iso.datetime(), attempt: z.number().int(), level: z.enum(['info', 'warning', 'error']), message: z.string() })
  .meta({ id: 'RunLogLine' });
export type RunLogLine = z.infer<typeof RunLogLine>;

/** `POST /api/v2/plans/{id}/runs`: back up now. One run per database. */
export const StartedRuns = z.object({ runs: z.array(Run) }).meta({ id: 'StartedRuns' });

export const Backup = z
  .object({
    id: z.string(),
    snapshot: z.string(),
    repository: z.string(),
    /** null = the ledger doesn't know the run: the backup was found in its repository. */
    run: z.string().nullable(),
    plan: z.string().nullable(),
    server: z.string(),
    serverName: z.string(),
    database: z.string().nullable(),
    databaseName: z.string().nullable(),
    method: BackupMethod,
    type: BackupType,
    /** The backup that this one is restored upon; null = it stands alone. */
    parent: z.string().nullable(),
    label: BackupLabel,
    consistency: Consistency,
    state: z.enum(['succeeded', 'partial']),
    /** The highest rung that this backup reached (product.md, promise 1). */
    proof: z.enum(['stored', 'BASIC', 'DATABASE', 'FULL', 'damaged']),
    provenAt: z.iso.datetime().nullable(),
    consistentAt: z.iso.datetime(),
    createdAt: z.iso.datetime(),
    objects: z.number().int(),
    rows: z.number().int(),
    sizeBytes: z.number(),
    addedBytes: z.number(),
    serverVersion: z.string(),
    tool: z.string(),
    findings: z.array(Finding),
    /** Of a physical backup: where in the log of the server it lies. */
    log: z.object({ timeline: z.number().int(), start: LogPosition.shape.lsn, end: LogPosition.shape.lsn }).nullable(),
    retention: z.object({ kept: z.boolean(), reason: z.string() }),
    /** While it is held, no retention removes it. */
    hold: BackupHold.nullable(),
    removedAt: z.iso.datetime().nullable(),
    /** Recorded by a rebuild of the catalog: when, and which run its manifest names. */
    found: z.object({ at: z.iso.datetime(), run: z.string() }).nullable(),
    /** Since a rebuild did not find its snapshot in the repository. */
    missingSince: z.iso.datetime().nullable(),
    tags: z.array(z.string()),
    note: z.string(),
  })
  .meta({ id: 'Backup' });
export type Backup = z.infer<typeof Backup>;

export const VerifyBackup = z
  .object({ level: VerificationLevel.default('FULL') })
  .strict()
  .meta({ id: 'VerifyBackup' });
export type VerifyBackup = z.infer<typeof VerifyBackup>;

export const CreateRestorePlan = z
  .object({
    /** Absent with `recovery`: the backup of `server` from which its target is reached is picked. */
    backup: z.string().optional(),
    /** Server to restore to; absent = the one it came from. Not used for a folder target. */
    server: z.string().optional(),
    /** Absent = a new database `<name>_restored_<time>`. */
    target: RestoreTarget.optional(),
    /** Of a physical backup: its database of this name goes into the database that is the target, recovered to the moment of `recovery`. */
    fromDatabase: FromDatabase.optional(),
    tables: z.array(TableName).min(1).optional(),
    /** Of a physical backup with a log: how far the log is replayed. */
    recovery: RecoveryTarget.optional(),
    /** The history to follow; absent = the one that was followed last. */
    timeline: z.number().int().min(1).optional(),
    intoExisting: z.boolean().default(false),
    /** Of a logical backup, or with `fromDatabase`: into the existing database that `target` names, in one transaction, with a safety copy. */
    merge: Merge.optional(),
    noOwner: z.boolean().default(false),
    noAcl: z.boolean().default(false),
  })
  .strict()
  .meta({
    id: 'CreateRestorePlan',
    examples: [
      {
        backup: 'backup_01920000000070008000000000000000',
        target: { kind: 'database', name: 'shop' },
        merge: { conflict: 'replace', rows: [{ schema: 'public', table: 'orders', condition: 'customer_id = 7' }] },
      },
      {
        server: 'server_01920000000070008000000000000000',
        recovery: { kind: 'time', time: '2026-11-27T14:05:00Z', inclusive: true },
        fromDatabase: 'shop',
        target: { kind: 'database', name: 'shop_at_five_past_two' },
      },
    ],
  });
export type CreateRestorePlan = z.infer<typeof CreateRestorePlan>;

/** Which log is replayed, and how far. */
export const RecoveryOutline = z
  .object({
    stream: z.string(),
    target: RecoveryTarget,
    timeline: z.number().int(),
    /** Where the replay begins, and what is there of it. */
    from: LogPosition.shape.lsn,
    reachesAt: z.iso.datetime(),
  })
  .meta({ id: 'RecoveryOutline' });
export type RecoveryOutline = z.infer<typeof RecoveryOutline>;

export const RestorePlan = z
  .object({
    id: z.string(),
    backup: z.string(),
    server: z.string(),
    target: RestoreTarget,
    fromDatabase: z.string().nullable(),
    tables: z.array(TableName).nullable(),
    recovery: RecoveryOutline.nullable(),
    intoExisting: z.boolean(),
    merge: Merge.nullable(),
    noOwner: z.boolean(),
    noAcl: z.boolean(),
    steps: z.array(z.string()),
    overwrites: z.array(z.string()),
    findings: z.array(Finding),
    sizeBytes: z.number(),
    rows: z.number(),
    /** SHA-256 over everything above; `restore run` refuses when it no longer matches. */
    hash: z.string(),
    createdAt: z.iso.datetime(),
    expiresAt: z.iso.datetime(),
  })
  .meta({ id: 'RestorePlan' });
export type RestorePlan = z.infer<typeof RestorePlan>;

/** Replacing something needs its name typed as `confirm`. */
export const RunRestore = z
  .object({ plan: z.string(), hash: z.string(), confirm: z.string().optional() })
  .strict()
  .meta({ id: 'RunRestore' });
export type RunRestore = z.infer<typeof RunRestore>;

/** `undo` puts back what was there before the restore; `drop` forgets it. */
export const EndSafetyCopy = z
  .object({
    action: z.enum(['undo', 'drop']),
    /** Undo even where it takes back what others wrote since. */
    force: z.boolean().default(false),
    lockWaitSeconds: LockWaitSeconds,
  })
  .strict()
  .meta({ id: 'EndSafetyCopy' });
export type EndSafetyCopy = z.infer<typeof EndSafetyCopy>;

export const SafetyCopyEndQuery = EndSafetyCopy.pick({ action: true }).extend({ force: z.enum(['true', 'false']).default('false') });
export type SafetyCopyEndQuery = z.infer<typeof SafetyCopyEndQuery>;

/** What an undo, or a drop, would do now. A finding that is a blocker stands in its way. */
export const SafetyCopyEnd = RestorePlan.pick({ steps: true, overwrites: true, findings: true, rows: true }).meta({ id: 'SafetyCopyEnd' });
export type SafetyCopyEnd = z.infer<typeof SafetyCopyEnd>;

/** A restore into a live database that can still be undone. */
export const KeptSafetyCopy = SafetyCopy.extend({
  /** The run of the restore. */
  run: z.string(),
  server: z.string(),
  backup: z.string().nullable(),
  /** null: its worker was lost, and whether the restore was committed isn't known; if it was, this is there. */
  rows: z.number().int().nullable(),
  restoredAt: z.iso.datetime(),
  /** The run that undoes it, or drops it, at this moment. */
  ending: z.string().nullable(),
}).meta({ id: 'KeptSafetyCopy' });
export type KeptSafetyCopy = z.infer<typeof KeptSafetyCopy>;

/** The newest first. */
export const SafetyCopyQuery = PageQuery.extend({ server: z.string().optional(), database: z.string().optional() });
export type SafetyCopyQuery = z.infer<typeof SafetyCopyQuery>;

export const RunQuery = PageQuery.extend({
  type: RunType.optional(),
  state: RunState.optional(),
  server: z.string().optional(),
  database: z.string().optional(),
  plan: z.string().optional(),
  backup: z.string().optional(),
  repository: z.string().optional(),
  tag: TagFilter.optional(),
  ...SearchFilters,
});
export type RunQuery = z.infer<typeof RunQuery>;

/** Backups that retention took away are listed only with `removed=true`. */
export const BackupQuery = PageQuery.extend({
  server: z.string().optional(),
  database: z.string().optional(),
  plan: z.string().optional(),
  repository: z.string().optional(),
  state: Backup.shape.state.optional(),
  proof: Backup.shape.proof.optional(),
  type: BackupType.optional(),
  removed: z.enum(['true', 'false']).default('false'),
  tag: TagFilter.optional(),
  ...SearchFilters,
});
export type BackupQuery = z.infer<typeof BackupQuery>;

/** Lines of a run's log, oldest first. */
export const RunLog = z
  .object({ data: z.array(RunLogLine), page: z.object({ nextCursor: z.string().nullable(), hasMore: z.boolean() }) })
  .meta({ id: 'RunLog' });
export type RunLog = z.infer<typeof RunLog>;
