import { z } from 'zod';
import { AttemptResult } from './evidence.js';
import { RunError } from './evidence.js';
import { Finding } from './finding.js';
import { FoundLog, MOST_LOGS_AT_ONCE } from './found-log.js';
import { FoundSnapshot, MissingBackups, MOST_FOUND_AT_ONCE, RebuiltSnapshot } from './found-snapshot.js';
import { BackupUse, MadeBackupUser, PreflightReport } from './http/preflight.js';
import { ProbeReport } from './http/servers.js';
import { BackupMethod, Engine, RunState, RunType, VerificationLevel } from './labels.js';
import { LogBranch, LogPosition, LogProgress, LogRange } from './log-stream.js';
import { ContentOrder } from './contents.js';
import { FoundManagedSnapshots } from './managed-snapshots.js';
import { RestoreSpec, RunSpec, SafetyCopySpec } from './run-spec.js';

/**
 * Commands go to one queue of their owner; events are copied to one queue per subscriber (design.md §5).
 * Every message has a name with a version; an unknown one becomes a dead letter, never nothing.
 */
const attempt = { run: z.string(), attempt: z.number().int().min(1) };

export const RunProgress = z.object({
  ...attempt,
  phase: z.string(),
  object: z.string().optional(),
  bytes: z.number().int(),
  totalBytes: z.number().int().optional(),
  addedBytes: z.number().int().optional(),
  /** Why the source is read slower than it could be. */
  slowedBy: z.string().optional(),
  /** Of a follower. */
  log: LogProgress.optional(),
  at: z.iso.datetime(),
});
export type RunProgress = z.infer<typeof RunProgress>;

/** name → payload. `run.execute.v1` goes to `worker-<pool>`; the `attempt.*` come back to `scheduler`; the others to their owner. */
export const Commands = {
  'run.execute.v1': z.object({ spec: RunSpec }),
  /** Every ten seconds from each worker; without slots it takes no more runs. */
  'worker.alive.v1': z.object({
    worker: z.string(),
    pool: z.string(),
    slots: z.number().int().min(0),
    /** Log streams that it follows beside its runs; absent = it is older, and follows none. */
    followers: z.number().int().min(0).optional(),
    at: z.iso.datetime(),
  }),
  'attempt.started.v1': z.object({ ...attempt, worker: z.string(), at: z.iso.datetime() }),
  'attempt.heartbeat.v1': z.object({ ...attempt, worker: z.string(), at: z.iso.datetime() }),
  'attempt.progress.v1': RunProgress,
  'attempt.log.v1': z.object({
    ...attempt,
    lines: z.array(z.object({ at: z.iso.datetime(), level: z.enum(['info', 'warning', 'error']), message: z.string() })),
  }),
  'attempt.finished.v1': z.object({ ...attempt, worker: z.string(), result: AttemptResult, at: z.iso.datetime() }),
  /** Durable in the repository. Of an older attempt it doesn't count: what the bytes are is told again by whoever follows now, and overlaps are harmless. */
  'log.committed.v1': z.object({
    ...attempt,
    worker: z.string(),
    stream: z.string(),
    ranges: z.array(LogRange).min(1),
    /** Timelines that begin in it. Absent where one begins, it comes out of the one before at the start of its first range. */
    branches: z.array(LogBranch).optional(),
    receivedLsn: LogPosition.shape.lsn,
    serverLsn: LogPosition.shape.lsn,
    identity: z.string().optional(),
    at: z.iso.datetime(),
  }),
  /** Log that no kept backup needs goes to the trash: what lies on `timeline` from `start` up to `end` as a whole. Answered by `log.removed.v1`. */
  'log.remove.v1': z.object({
    organization: z.string(),
    repository: z.string(),
    stream: z.string(),
    timeline: z.number().int().min(1),
    start: LogPosition.shape.lsn,
    end: LogPosition.shape.lsn,
  }),
  'log.removed.v1': z.object({
    organization: z.string(),
    stream: z.string(),
    timeline: z.number().int().min(1),
    end: LogPosition.shape.lsn,
    removed: z.number().int(),
    error: RunError.optional(),
  }),
  'snapshot.remove.v1': z.object({
    organization: z.string(),
    repository: z.string(),
    snapshot: z.string(),
    backup: z.string(),
    reason: z.string(),
  }),
  /** Out of the trash again. Answered by `snapshot.returned.v1`. */
  'snapshot.return.v1': z.object({ organization: z.string(), repository: z.string(), snapshot: z.string(), backup: z.string() }),
  'snapshot.returned.v1': z.object({ organization: z.string(), backup: z.string(), snapshot: z.string(), error: RunError.optional() }),
  /** Of an attempt that was not accepted: nobody heard whether it committed. There is no answer. */
  'snapshot.discard.v1': z.object({ organization: z.string(), repository: z.string(), snapshot: z.string(), run: z.string() }),
  'snapshot.removed.v1': z.object({ organization: z.string(), backup: z.string(), snapshot: z.string(), error: RunError.optional() }),
} as const;
export type CommandName = keyof typeof Commands;
export type CommandPayload<N extends CommandName> = z.infer<(typeof Commands)[N]>;

/** Questions that are answered at once: name → [question, answer]. Workers answer those of `asks-<pool>`, because only they are near the database. */
export const Questions = {
  /**
   * Asked of the scheduler before any work: a queue may hand one attempt to several workers (a lost lock, a message sent again),
   * the ledger gives it to one. Asked again by the same worker the answer is the same.
   */
  'attempt.claim.v1': {
    question: z.object({ ...attempt, worker: z.string() }),
    answer: z.object({ granted: z.boolean() }),
  },
  /** A page of what a rebuild finds; the next one is sent after the answer, so what was told is in the catalog. The last one may be empty. */
  'snapshots.found.v1': {
    question: z.object({
      ...attempt,
      worker: z.string(),
      snapshots: z.array(FoundSnapshot).max(MOST_FOUND_AT_ONCE),
      /** After the snapshots, which name the servers. */
      logs: z.array(FoundLog).max(MOST_LOGS_AT_ONCE).optional(),
      last: z.boolean(),
    }),
    answer: z.discriminatedUnion('granted', [
      /** The attempt is no longer this worker's. */
      z.object({ granted: z.literal(false) }),
      z.object({
        granted: z.literal(true),
        snapshots: z.array(RebuiltSnapshot),
        missing: MissingBackups.optional(),
        logsRecorded: z.number().int().optional(),
      }),
    ]),
  },
  'server.probe.v1': { question: z.object({ engine: Engine, binding: z.string(), sealedSecrets: z.string() }), answer: ProbeReport },
  'server.preflight.v1': {
    question: z.object({
      engine: Engine,
      binding: z.string(),
      sealedSecrets: z.string(),
      databases: z.array(z.string()).optional(),
      uses: z.array(BackupUse),
    }),
    answer: PreflightReport,
  },
  /**
   * Makes a backup user: `source` of its secrets is the administrator, `target` the user to make. Rejected, the server is as before.
   * Answered without secrets.
   */
  'backup_user.make.v1': {
    question: z.object({
      engine: Engine,
      binding: z.string(),
      sealedSecrets: z.string(),
      uses: z.array(BackupUse),
      /** Left on the role, so that only who made it replaces it or takes it away. */
      mark: z.string(),
      /** The role may be there, and keeps its password. */
      keepPassword: z.boolean(),
      byObject: z.boolean(),
      /** Another server that answers is left alone. */
      identity: z.string().nullable(),
    }),
    answer: MadeBackupUser,
  },
  /** Takes it away again, by the same secrets; a role with another mark stays. */
  'backup_user.remove.v1': {
    question: z.object({ engine: Engine, binding: z.string(), sealedSecrets: z.string(), mark: z.string() }),
    answer: z.object({ removed: z.boolean() }),
  },
  'server.discover.v1': {
    question: z.object({ engine: Engine, binding: z.string(), sealedSecrets: z.string() }),
    answer: z.object({
      databases: z.array(
        z.object({ name: z.string(), sizeBytes: z.number(), encoding: z.string(), collation: z.string(), connectable: z.boolean() }),
      ),
    }),
  },
  /** Which snapshots its provider holds of a server, by `cloudAccount` of the secrets. */
  'server.managed_snapshots.v1': {
    question: z.object({ binding: z.string(), sealedSecrets: z.string() }),
    answer: FoundManagedSnapshots,
  },
  /** A slot that isn't there, or is of another server, is no error: what was asked for is so. */
  'slot.drop.v1': {
    question: z.object({ engine: Engine, binding: z.string(), sealedSecrets: z.string(), slot: z.string() }),
    answer: z.object({ dropped: z.boolean() }),
  },
  /** Answered when it is on its way: the sealed secrets say where to. Rows are in no queue. */
  'backup.read.v1': {
    question: z.object({
      binding: z.string(),
      sealedSecrets: z.string(),
      repository: z.string(),
      snapshot: z.string(),
      order: ContentOrder,
    }),
    answer: z.object({ started: z.literal(true) }),
  },
  'restore.outline.v1': {
    question: z.object({ spec: z.discriminatedUnion('type', [RestoreSpec, SafetyCopySpec]) }),
    answer: z.object({
      steps: z.array(z.string()),
      overwrites: z.array(z.string()),
      findings: z.array(Finding),
      sizeBytes: z.number(),
      rows: z.number(),
    }),
  },
} as const;
export type QuestionName = keyof typeof Questions;
export type Question<N extends QuestionName> = z.infer<(typeof Questions)[N]['question']>;
export type Answer<N extends QuestionName> = z.infer<(typeof Questions)[N]['answer']>;

const actor = z.object({ kind: z.enum(['user', 'api-key', 'system']), id: z.string(), name: z.string(), address: z.string().optional() });
export type Actor = z.infer<typeof actor>;

/** Events: facts in the past tense, copied to every subscriber. */
export const Events = {
  /** Everything a person or the system did that the trail must keep. */
  'audit.recorded.v1': z.object({
    organization: z.string(),
    actor,
    action: z.string(),
    target: z.object({ kind: z.string(), id: z.string(), name: z.string().optional() }),
    details: z.record(z.string(), z.unknown()),
    request: z.string().optional(),
    at: z.iso.datetime(),
  }),
  'run.changed.v1': z.object({
    organization: z.string(),
    run: z.string(),
    type: RunType,
    state: RunState,
    attempt: z.number().int(),
    plan: z.string().optional(),
    /** Absent where a run belongs to a repository as a whole. */
    server: z.string().optional(),
    error: RunError.optional(),
    at: z.iso.datetime(),
  }),
  'backup.recorded.v1': z.object({
    organization: z.string(),
    backup: z.string(),
    snapshot: z.string(),
    repository: z.string(),
    server: z.string(),
    database: z.string().optional(),
    method: BackupMethod,
    at: z.iso.datetime(),
  }),
  'backup.proven.v1': z.object({ organization: z.string(), backup: z.string(), level: VerificationLevel, at: z.iso.datetime() }),
  'organization.created.v1': z.object({ organization: z.string(), name: z.string(), at: z.iso.datetime() }),
} as const;
export type EventName = keyof typeof Events;
export type EventPayload<N extends EventName> = z.infer<(typeof Events)[N]>;

/** Who gets which events; a queue `events-<subscriber>` each. */
export const EVENT_SUBSCRIBERS: Record<EventName, readonly string[]> = {
  'audit.recorded.v1': ['audit'],
  'run.changed.v1': ['audit'],
  'backup.recorded.v1': ['scheduler'],
  'backup.proven.v1': ['scheduler', 'audit'],
  'organization.created.v1': ['audit', 'scheduler'],
};

/** Queue names; cancel signals go to `signals` (published, not queued). */
export const QUEUES = {
  scheduler: 'scheduler',
  storage: 'storage',
  worker: (pool: string) => `worker-${pool}`,
  /** Apart from the pool's other work: a follower has no end, and must not take the place of runs that have one. No pool's queue ends so. */
  followers: (pool: string) => `followers-${pool}`,
  asks: (respondent: string) => `asks-${respondent}`,
  events: (subscriber: string) => `events-${subscriber}`,
} as const;

/** Who answers what workers ask; no pool can have such a name. */
export const SCHEDULER = '_scheduler';
