import {
  RahatError,
  type Assertion,
  type BackupMethod,
  type BackupType,
  type ComparedWith,
  type Evidence,
  type Recovery,
  type Run,
  type RunError,
  type RunPause,
  type RunState,
  type RunType,
  type TableName,
  type VerificationLevel,
  type WaitingFor,
} from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';

/** What a comparison compares a backup with. */
export interface ComparisonRequest {
  newer: ComparedWith;
  tables?: TableName[];
  schemaOnly: boolean;
}

export type RunCause = 'schedule' | 'catch_up' | 'person' | 'reaction' | 'platform';

export interface RunRow {
  id: string;
  organization_id: string;
  type: RunType;
  state: RunState;
  cause: RunCause;
  backup_type: BackupType | null;
  priority: number;
  attempt: number;
  max_attempts: number;
  plan_id: string | null;
  /** null = a collection, as are those without a method. */
  server_id: string | null;
  database_id: string | null;
  database_name: string | null;
  backup_id: string | null;
  restore_plan_id: string | null;
  method: BackupMethod | null;
  level: VerificationLevel | null;
  /** Of a test restore: the plan's, as they stood when the run was made. */
  assertions: Assertion[];
  repository_id: string;
  /** Of a follower. */
  stream_id: string | null;
  /** Of a test restore of a physical backup, once its moment was drawn. */
  recovery: Recovery | null;
  snapshot: string | null;
  deep: boolean;
  /** Of a comparison: its newer side, and what is compared. */
  compared_with: ComparisonRequest | null;
  /** Of a rebuild. */
  dry_run: boolean;
  /** Of a rebuild: since when its repository, which another installation made, is attached. */
  attached_at: Date | null;
  /** Meaningless for what is endless. */
  deadline_minutes: number;
  due_at: Date;
  occurs_at: Date | null;
  not_before: Date | null;
  queued_at: Date | null;
  admitted_at: Date | null;
  waiting_for: WaitingFor | null;
  pause: RunPause | null;
  dispatched_at: Date | null;
  dispatches: number;
  started_at: Date | null;
  heartbeat_at: Date | null;
  progressed_at: Date | null;
  finished_at: Date | null;
  cancel_requested_at: Date | null;
  cancel_reason: string | null;
  worker: string | null;
  progress: Run['progress'];
  evidence: Evidence | null;
  reasons: string[];
  error: RunError | null;
  tags: string[];
  note: string;
  created_at: Date;
}

/** What is known of a run before it becomes due. */
export type NewRun = Pick<
  RunRow,
  'organization_id' | 'type' | 'cause' | 'server_id' | 'method' | 'repository_id' | 'max_attempts' | 'deadline_minutes' | 'due_at'
> &
  Partial<
    Pick<
      RunRow,
      | 'backup_type'
      | 'priority'
      | 'plan_id'
      | 'database_id'
      | 'database_name'
      | 'backup_id'
      | 'restore_plan_id'
      | 'level'
      | 'assertions'
      | 'snapshot'
      | 'deep'
      | 'dry_run'
      | 'attached_at'
      | 'stream_id'
      | 'compared_with'
    >
  >;

/** Columns that a transition may set beside the state. */
export type RunChanges = Partial<
  Pick<
    RunRow,
    | 'attempt'
    | 'snapshot'
    | 'not_before'
    | 'queued_at'
    | 'admitted_at'
    | 'waiting_for'
    | 'max_attempts'
    | 'dispatched_at'
    | 'dispatches'
    | 'started_at'
    | 'heartbeat_at'
    | 'progressed_at'
    | 'finished_at'
    | 'cancel_requested_at'
    | 'cancel_reason'
    | 'worker'
    | 'progress'
    | 'evidence'
    | 'reasons'
    | 'error'
    | 'backup_id'
  >
>;

export async function findRun(transaction: Transaction, id: string): Promise<RunRow> {
  const [row] = await transaction.query<RunRow>(`SELECT * FROM runs WHERE id = $1`, [id]);
  if (!row) throw new RahatError('not_found', `There is no run ${id}`);
  return row;
}

/** For a decision about the run: nobody else changes it meanwhile. */
export async function lockRun(transaction: Transaction, id: string): Promise<RunRow | undefined> {
  const [row] = await transaction.query<RunRow>(`SELECT * FROM runs WHERE id = $1 FOR UPDATE`, [id]);
  return row;
}

/** Whether its worker is given the password of the server. */
export function usesServer({ type, compared_with: compared }: Pick<RunRow, 'type' | 'compared_with'>): boolean {
  switch (type) {
    case 'backup':
    case 'restore':
    case 'follow':
      return true;
    case 'comparison':
      return compared?.newer.kind === 'database';
    case 'verification':
    case 'collection':
    case 'rebuild':
      return false;
  }
}

/** What a run is shown by: a page of a list reads nothing else. */
const SHOWN = [
  'id',
  'type',
  'state',
  'backup_type',
  'priority',
  'waiting_for',
  'pause',
  'dispatched_at',
  'occurs_at',
  'attempt',
  'max_attempts',
  'plan_id',
  'server_id',
  'repository_id',
  'database_id',
  'backup_id',
  'stream_id',
  'level',
  'due_at',
  'started_at',
  'finished_at',
  'worker',
  'progress',
  'evidence',
  'reasons',
  'error',
  'tags',
  'note',
] as const satisfies (keyof RunRow)[];
export type ShownRunRow = Pick<RunRow, (typeof SHOWN)[number]>;
export const SHOWN_RUNS = `SELECT ${SHOWN.join(', ')} FROM runs`;

export function presentRun(row: ShownRunRow): Run {
  return {
    id: row.id,
    type: row.type,
    state: row.state,
    backupType: row.backup_type,
    priority: row.priority,
    waitingFor: waitingFor(row),
    pause: row.finished_at ? null : row.pause,
    occursAt: row.occurs_at?.toISOString() ?? null,
    attempt: row.attempt,
    maxAttempts: row.max_attempts,
    plan: row.plan_id,
    server: row.server_id,
    repository: row.repository_id,
    database: row.database_id,
    backup: row.backup_id,
    stream: row.stream_id,
    level: row.level,
    dueAt: row.due_at.toISOString(),
    startedAt: row.started_at?.toISOString() ?? null,
    finishedAt: row.finished_at?.toISOString() ?? null,
    worker: row.worker,
    progress: row.progress,
    evidence: row.evidence,
    reasons: row.reasons,
    error: row.error,
    tags: row.tags,
    note: row.note,
  };
}

function waitingFor(row: ShownRunRow): WaitingFor | null {
  if (row.state !== 'due' && row.state !== 'queued') return null;
  if (row.pause) return { reason: 'paused', message: `Paused by ${row.pause.by}.` };
  if (row.waiting_for) return row.waiting_for;
  if (row.dispatched_at) return { reason: 'worker', message: 'Sent to the workers; the next free one takes it.' };
  return { reason: 'preparation', message: 'What the worker needs is being collected.' };
}
