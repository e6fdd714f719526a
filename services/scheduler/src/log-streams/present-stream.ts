import type { LogStream, RunError, RunState } from '@rahat/contracts';
import { PAUSED } from './decide-streams.js';
import type { LogStreamRow } from './log-streams.table.js';

/** A stream with what its presentation needs of others. */
export interface ShownStreamRow extends LogStreamRow {
  server_name: string;
  follower: string | null;
  follower_state: RunState | null;
  follower_message: string | null;
  last_error: RunError | null;
  lag_bytes: string | null;
  retained_bytes: string;
  gaps: string;
}

/** To be followed by `WHERE …`. */
export const SHOWN_STREAMS = `
  SELECT log_streams.*, servers.name AS server_name, follower.id AS follower, follower.state AS follower_state,
    COALESCE(CASE WHEN follower.pause IS NOT NULL THEN 'The follower is paused.' END, follower.waiting_for ->> 'message') AS follower_message,
    (SELECT error FROM runs WHERE stream_id = log_streams.id ORDER BY due_at DESC, id DESC LIMIT 1) AS last_error,
    GREATEST(server_lsn - committed_lsn, 0) AS lag_bytes,
    (SELECT COALESCE(sum(end_lsn - COALESCE(cut_lsn, start_lsn)), 0) FROM log_ranges WHERE stream_id = log_streams.id) AS retained_bytes,
    (SELECT count(*) FROM log_gaps WHERE stream_id = log_streams.id) AS gaps
  FROM log_streams JOIN servers ON servers.id = log_streams.server_id
    LEFT JOIN runs AS follower ON follower.type = 'follow' AND follower.stream_id = log_streams.id AND follower.state IN ('due', 'queued', 'running')`;

/** A follower may take so long to begin, or to be handed on. */
const BEGINS_WITHIN_MS = 5 * 60_000;
/** So long a server may take to be set up. */
const PUSHES_WITHIN_MS = 15 * 60_000;
/** So many commits, and the time that one takes, may be missing. */
const COMMITS_BEHIND = 3;
const COMMIT_TAKES_MS = 30_000;

export function presentStream(row: ShownStreamRow, now: Date): LogStream {
  const lagMs = lagMsOf(row, now);
  return {
    id: row.id,
    plan: row.plan_id ?? '',
    server: row.server_id,
    serverName: row.server_name,
    repository: row.repository_id,
    slot: row.slot,
    way: row.settings.way ?? 'follow',
    ...stateOf(row, lagMs, now),
    run: row.follower,
    timeline: row.timeline,
    committedLsn: row.committed_lsn,
    serverLsn: row.server_lsn,
    lagBytes: row.lag_bytes === null ? null : Number(row.lag_bytes),
    lagSeconds: lagMs === null ? null : lagMs / 1000,
    lastCommitAt: row.last_commit_at?.toISOString() ?? null,
    retainedBytes: Number(row.retained_bytes),
    gaps: Number(row.gaps),
    createdAt: row.created_at.toISOString(),
  };
}

/** While nobody follows, what was written since the follower was heard last is at stake. */
function lagMsOf({ state, behind_since, seen_at, follower_state }: ShownStreamRow, now: Date): number | null {
  if (state !== 'active' || !seen_at) return null;
  const since = behind_since ?? (follower_state === 'running' ? null : seen_at);
  return since ? Math.max(0, now.getTime() - since.getTime()) : 0;
}

function stateOf(row: ShownStreamRow, lagMs: number | null, now: Date): Pick<LogStream, 'state' | 'message'> {
  switch (row.state) {
    case 'stopped':
      return { state: 'stopped', message: row.stop_reason };
    case 'stopping':
      return {
        state: row.stop_reason === PAUSED && row.drop_tries === 0 ? 'paused' : 'stopping',
        message: row.drop_error
          ? `The slot could not be dropped yet, and keeps log on the source: ${row.drop_error.message}`
          : row.settings.way === 'push'
            ? `${row.stop_reason ?? ''} The server keeps what it archives until the plan goes on; whatever it pushes is refused.`.trim()
            : `${row.stop_reason ?? ''} Its slot keeps log on the source until ${row.drop_at!.toISOString()}; then the slot goes, and the log begins anew.`.trim(),
      };
    case 'active': {
      const failure = row.last_error?.message ?? null;
      if (row.follower_state !== 'running') {
        const since = row.seen_at ?? row.created_at;
        const late = row.failures > 0 || now.getTime() - since.getTime() > BEGINS_WITHIN_MS;
        return { state: late ? 'broken' : 'starting', message: row.follower_message ?? failure };
      }
      if (row.push_refused) {
        const { file, error } = row.push_refused;
        return {
          state: 'broken',
          message: `The server pushed ${file}, which was refused: ${error.message}. It keeps all later log meanwhile.`,
        };
      }
      if (row.follower_message) return { state: 'broken', message: row.follower_message };
      if (row.committed_lsn === null) {
        if (row.settings.way !== 'push') return { state: 'starting', message: failure };
        const late = now.getTime() - row.created_at.getTime() > PUSHES_WITHIN_MS;
        return { state: late ? 'broken' : 'starting', message: 'The server has pushed nothing yet: see "rahat-backup server log-push".' };
      }
      const behind = (lagMs ?? 0) > COMMITS_BEHIND * row.settings.commitSeconds * 1000 + COMMIT_TAKES_MS;
      return behind
        ? { state: 'lagging', message: `The oldest byte that is not committed waits for ${Math.round((lagMs ?? 0) / 1000)} s.` }
        : { state: 'following', message: null };
    }
  }
}
