import {
  RahatError,
  type BackupMethod,
  type Evidence,
  type Run,
  type RunError,
  type RunState,
  type RunType,
  type VerificationLevel,
} from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';

export type RunCause = 'schedule' | 'catch_up' | 'person' | 'reaction' | 'platform';

export interface RunRow {
  id: string;
  organization_id: string;
  type: RunType;
  state: RunState;
  cause: RunCause;
  attempt: number;
  max_attempts: number;
  plan_id: string | null;
  server_id: string;
  database_id: string | null;
  database_name: string | null;
  backup_id: string | null;
  restore_plan_id: string | null;
  method: BackupMethod;
  level: VerificationLevel | null;
  repository_id: string;
  snapshot: string | null;
  deep: boolean;
  deadline_minutes: number;
  due_at: Date;
  not_before: Date | null;
  queued_at: Date | null;
  dispatched_at: Date | null;
  dispatches: number;
  started_at: Date | null;
  heartbeat_at: Date | null;
  finished_at: Date | null;
  cancel_requested_at: Date | null;
  worker: string | null;
  progress: Run['progress'];
  evidence: Evidence | null;
  reasons: string[];
  error: RunError | null;
  created_at: Date;
}

/** What is known of a run before it becomes due. */
export type NewRun = Pick<
  RunRow,
  'organization_id' | 'type' | 'cause' | 'server_id' | 'method' | 'repository_id' | 'max_attempts' | 'deadline_minutes' | 'due_at'
> &
  Partial<Pick<RunRow, 'plan_id' | 'database_id' | 'database_name' | 'backup_id' | 'restore_plan_id' | 'level' | 'snapshot' | 'deep'>>;

/** Columns that a transition may set beside the state. */
export type RunChanges = Partial<
  Pick<
    RunRow,
    | 'attempt'
    | 'snapshot'
    | 'not_before'
    | 'queued_at'
    | 'dispatched_at'
    | 'dispatches'
    | 'started_at'
    | 'heartbeat_at'
    | 'finished_at'
    | 'cancel_requested_at'
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

export function presentRun(row: RunRow): Run {
  return {
    id: row.id,
    type: row.type,
    state: row.state,
    attempt: row.attempt,
    maxAttempts: row.max_attempts,
    plan: row.plan_id,
    server: row.server_id,
    database: row.database_id,
    backup: row.backup_id,
    level: row.level,
    dueAt: row.due_at.toISOString(),
    startedAt: row.started_at?.toISOString() ?? null,
    finishedAt: row.finished_at?.toISOString() ?? null,
    worker: row.worker,
    progress: row.progress,
    evidence: row.evidence,
    reasons: row.reasons,
    error: row.error,
  };
}
