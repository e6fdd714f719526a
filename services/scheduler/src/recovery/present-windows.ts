import { lsnText, type LogGap, type RecoverableWindow, type TimelineSpan } from '@rahat/contracts';
import type { LogGapRow, LogStreamRow } from '../log-streams/log-streams.table.js';
import type { Span } from './ways.js';
import type { Window } from './windows.js';

export function presentWindow({ id, repository_id }: LogStreamRow, window: Window): RecoverableWindow {
  return {
    stream: id,
    repository: repository_id,
    from: window.from.toISOString(),
    to: window.to.toISOString(),
    timelines: window.way.map(presentSpan),
    abandoned: window.abandoned.map(presentSpan),
    backups: window.bases.map((base) => base.id),
    open: window.open,
  };
}

function presentSpan({ range, parent, start, end, lastCommitAt }: Span): TimelineSpan {
  return {
    timeline: range.timeline,
    parent,
    start: lsnText(start),
    end: lsnText(end),
    lastCommitAt: lastCommitAt?.toISOString() ?? null,
  };
}

export function presentGap(row: LogGapRow): LogGap {
  return {
    stream: row.stream_id,
    reason: row.reason,
    message: row.message,
    timeline: row.timeline,
    start: row.start_lsn,
    end: row.end_lsn,
    from: row.start_at?.toISOString() ?? null,
    to: row.end_at?.toISOString() ?? null,
    foundAt: row.found_at.toISOString(),
  };
}
