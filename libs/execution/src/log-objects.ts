import { lsnOf } from '@rahat/contracts';
import { z } from 'zod';

/** How the log of a server lies in a repository: each object tells by its `meta` which bytes it holds, because manifests are merged. */
export const LogObjectMeta = z.object({ timeline: z.number().int(), start: z.string(), end: z.string() });
export const HistoryMeta = z.object({ timeline: z.number().int() });

/** Names sort as the log goes. */
export function positionName(timeline: number, lsn: string): string {
  return `${hex(timeline, 8)}-${hex(lsnOf(lsn), 16)}`;
}

export function logKey(timeline: number, start: string): string {
  return `wal/${positionName(timeline, start)}`;
}

export function historyKey(timeline: number): string {
  return `history/${hex(timeline, 8)}`;
}

function hex(value: number | bigint, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}
