import { lsnOf, type CommandPayload, type LogBranch, type LogRange } from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';
import type { LogStreamRow } from './log-streams.table.js';

export type Committed = CommandPayload<'log.committed.v1'>;

/** A hole that nobody told of: a follower tells all that it commits, and began behind what the ledger has. */
export interface UntoldGap {
  start: string;
  end: string;
}

/** Adds to what is known of a locked stream. Told twice, or overlapping, it changes nothing that was so already. */
export async function recordCommitted(transaction: Transaction, stream: LogStreamRow, message: Committed): Promise<UntoldGap[]> {
  const gaps: UntoldGap[] = [];
  let position = stream.timeline === null ? undefined : { timeline: stream.timeline, lsn: stream.committed_lsn! };
  for (const range of inOrder(message.ranges)) {
    if (position?.timeline === range.timeline && lsnOf(range.start) > lsnOf(position.lsn))
      gaps.push({ start: position.lsn, end: range.start });
    if (position && range.timeline > position.timeline)
      await recordBranch(transaction, stream, branchOf(message.branches, range, position.timeline));
    await addRange(transaction, stream, range);
    if (!position || range.timeline > position.timeline || lsnOf(range.end) > lsnOf(position.lsn))
      position = { timeline: range.timeline, lsn: range.end };
  }
  for (const branch of message.branches ?? []) await recordBranch(transaction, stream, branch);
  const at = new Date(message.at);
  await transaction.query(
    `UPDATE log_streams SET timeline = $2, committed_lsn = $3, server_lsn = GREATEST($3::pg_lsn, $4::pg_lsn), seen_at = GREATEST(seen_at, $5), failures = 0, identity = COALESCE(identity, $6),
       behind_since = CASE WHEN $4::pg_lsn > $3::pg_lsn THEN $5::timestamptz END, last_commit_at = GREATEST(last_commit_at, $7) WHERE id = $1`,
    [
      stream.id,
      position!.timeline,
      position!.lsn,
      message.serverLsn,
      at,
      message.identity ?? null,
      message.ranges
        .flatMap(({ lastCommitAt }) => lastCommitAt ?? [])
        .sort()
        .at(-1) ?? null,
    ],
  );
  return gaps;
}

/** What a repository holds of a stream; where a timeline comes from is told by where its log begins. */
export async function recordRanges(transaction: Transaction, stream: LogStreamRow, ranges: readonly LogRange[]): Promise<void> {
  let before: LogRange | undefined;
  for (const range of inOrder(ranges)) {
    if (before && range.timeline > before.timeline) await recordBranch(transaction, stream, branchOf(undefined, range, before.timeline));
    await addRange(transaction, stream, range);
    before = range;
  }
}

function inOrder(ranges: readonly LogRange[]): LogRange[] {
  return [...ranges].sort((a, b) => a.timeline - b.timeline || (lsnOf(a.start) < lsnOf(b.start) ? -1 : 1));
}

function branchOf(told: readonly LogBranch[] | undefined, range: LogRange, before: number): LogBranch {
  return told?.find(({ timeline }) => timeline === range.timeline) ?? { timeline: range.timeline, parent: before, at: range.start };
}

async function recordBranch(transaction: Transaction, stream: LogStreamRow, { timeline, parent, at }: LogBranch): Promise<void> {
  await transaction.query(
    `INSERT INTO log_branches (stream_id, organization_id, server_id, timeline, parent, at_lsn) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
    [stream.id, stream.organization_id, stream.server_id, timeline, parent, at],
  );
}

/** One row with all that it overlaps or touches. What is being removed as a whole stays apart. */
async function addRange(transaction: Transaction, stream: LogStreamRow, range: LogRange): Promise<void> {
  await transaction.query(
    `WITH touched AS (
       DELETE FROM log_ranges WHERE stream_id = $1 AND timeline = $4 AND start_lsn <= $6::pg_lsn AND end_lsn >= $5::pg_lsn AND cut_lsn IS DISTINCT FROM end_lsn RETURNING *
     ), known AS (
       SELECT start_lsn, end_lsn, first_commit_at, last_commit_at, cut_lsn, cut_retry_at FROM touched
       UNION ALL SELECT $5::pg_lsn, $6::pg_lsn, $7::timestamptz, $8::timestamptz, NULL::pg_lsn, NULL::timestamptz
     )
     INSERT INTO log_ranges (stream_id, organization_id, server_id, timeline, start_lsn, end_lsn, first_commit_at, last_commit_at, cut_lsn, cut_retry_at)
     SELECT $1, $2, $3, $4, min(start_lsn), max(end_lsn), min(first_commit_at), max(last_commit_at), min(cut_lsn), min(cut_retry_at) FROM known`,
    [
      stream.id,
      stream.organization_id,
      stream.server_id,
      range.timeline,
      range.start,
      range.end,
      range.firstCommitAt ?? null,
      range.lastCommitAt ?? null,
    ],
  );
}
