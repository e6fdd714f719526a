import { RahatError, type ContinuousLog, type LogGapReason, type RunError } from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';

export interface LogStreamRow {
  id: string;
  organization_id: string;
  server_id: string;
  repository_id: string;
  plan_id: string | null;
  slot: string;
  settings: ContinuousLog;
  state: 'active' | 'stopping' | 'stopped';
  stop_reason: string | null;
  identity: string | null;
  timeline: number | null;
  committed_lsn: string | null;
  server_lsn: string | null;
  seen_at: Date | null;
  behind_since: Date | null;
  last_commit_at: Date | null;
  start_at: Date;
  failures: number;
  drop_at: Date | null;
  drop_tries: number;
  drop_error: RunError | null;
  /** Of pushed log; null = what was pushed last was taken. */
  push_refused: { file: string; error: RunError; at: string } | null;
  created_at: Date;
  stopped_at: Date | null;
}

export interface LogRangeRow {
  stream_id: string;
  timeline: number;
  start_lsn: string;
  end_lsn: string;
  first_commit_at: Date | null;
  last_commit_at: Date | null;
  cut_lsn: string | null;
}

export interface LogBranchRow {
  stream_id: string;
  timeline: number;
  parent: number;
  at_lsn: string;
}

export interface LogGapRow {
  id: string;
  stream_id: string;
  reason: LogGapReason;
  message: string;
  timeline: number | null;
  start_lsn: string | null;
  end_lsn: string | null;
  start_at: Date | null;
  end_at: Date | null;
  found_at: Date;
}

/** For a decision about it: commits, looks and ends take turns. */
export async function lockStream(transaction: Transaction, id: string): Promise<LogStreamRow> {
  const [row] = await transaction.query<LogStreamRow>(`SELECT * FROM log_streams WHERE id = $1 FOR UPDATE`, [id]);
  if (!row) throw new RahatError('not_found', `There is no log stream ${id}`);
  return row;
}

/** Streams of which log is kept, or is still to come. */
export async function streamsOf(transaction: Transaction, server: string): Promise<LogStreamRow[]> {
  return transaction.query<LogStreamRow>(
    `SELECT * FROM log_streams WHERE server_id = $1 AND (state <> 'stopped' OR EXISTS (SELECT 1 FROM log_ranges WHERE stream_id = log_streams.id)) ORDER BY id`,
    [server],
  );
}
