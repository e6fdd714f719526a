import { lsnOf } from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';
import type { Base, Log } from '../recovery/ways.js';
import type { LogBranchRow, LogRangeRow, LogStreamRow } from './log-streams.table.js';

export interface BaseRow {
  id: string;
  repository_id: string;
  log_timeline: number;
  log_start: string;
  log_end: string;
  system_identity: string | null;
  consistent_at: Date;
}

/** A stream with its log as the catalog has it; what the storage was told to remove counts as gone. */
export interface KnownLog {
  stream: LogStreamRow;
  log: Log;
  rows: LogRangeRow[];
}

export async function knownLogs(transaction: Transaction, streams: readonly LogStreamRow[]): Promise<KnownLog[]> {
  const ids = streams.map(({ id }) => id);
  const ranges = Map.groupBy(
    await transaction.query<LogRangeRow>(
      `SELECT * FROM log_ranges WHERE stream_id = ANY ($1::text[]) AND cut_lsn IS DISTINCT FROM end_lsn ORDER BY timeline, start_lsn`,
      [ids],
    ),
    (row) => row.stream_id,
  );
  const branches = Map.groupBy(
    await transaction.query<LogBranchRow>(`SELECT * FROM log_branches WHERE stream_id = ANY ($1::text[]) ORDER BY timeline`, [ids]),
    (row) => row.stream_id,
  );
  return streams.map((stream) => {
    const rows = ranges.get(stream.id) ?? [];
    return { stream, rows, log: logOf(stream, rows, branches.get(stream.id) ?? []) };
  });
}

function logOf(stream: LogStreamRow, rows: readonly LogRangeRow[], branches: readonly LogBranchRow[]): Log {
  return {
    ranges: rows.map((row) => ({
      timeline: row.timeline,
      start: lsnOf(row.cut_lsn ?? row.start_lsn),
      end: lsnOf(row.end_lsn),
      lastCommitAt: row.last_commit_at,
    })),
    branches: branches.map(({ timeline, parent, at_lsn }) => ({ timeline, parent, at: lsnOf(at_lsn) })),
    tip:
      stream.state === 'active' && stream.timeline !== null && stream.committed_lsn !== null
        ? { timeline: stream.timeline, lsn: lsnOf(stream.committed_lsn) }
        : null,
  };
}

const BASES = `SELECT id, repository_id, log_timeline, log_start, log_end, system_identity, consistent_at FROM backups WHERE server_id = $1 AND log_start IS NOT NULL`;

/** That a restore may begin from. */
export async function restorableBases(transaction: Transaction, server: string): Promise<BaseRow[]> {
  return transaction.query<BaseRow>(
    `${BASES} AND removal_requested_at IS NULL AND missing_since IS NULL AND proof <> 'damaged' ORDER BY consistent_at, id`,
    [server],
  );
}

/** Whose log has to stay: those in the trash can be brought back, and are worth nothing without it. */
export async function basesWithLog(transaction: Transaction, server: string): Promise<BaseRow[]> {
  return transaction.query<BaseRow>(`${BASES} AND purged_at IS NULL ORDER BY consistent_at, id`, [server]);
}

/** Log is of one system in one repository, and so are the bases that it is replayed on. */
export function basesIn({ stream }: KnownLog, rows: readonly BaseRow[]): Base[] {
  return rows
    .filter(
      (row) =>
        row.repository_id === stream.repository_id &&
        (row.system_identity === null || stream.identity === null || row.system_identity === stream.identity),
    )
    .map((row) => ({
      id: row.id,
      timeline: row.log_timeline,
      start: lsnOf(row.log_start),
      end: lsnOf(row.log_end),
      at: row.consistent_at,
    }));
}
