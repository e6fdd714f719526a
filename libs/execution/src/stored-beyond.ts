import { type LogPosition, type LogRange, lsnOf } from '@rahat/contracts';
import type { WritableRepository } from '@rahat/repository';
import { positionName } from './log-objects.js';

/**
 * What lies in the repository right behind a position of a stream: committed by an attempt that ended before anybody heard of it. The
 * source did hear of it, and may have let go of that log since.
 */
export async function storedBeyond(
  repository: WritableRepository,
  { stream, from }: { stream: string; from: LogPosition },
  signal: AbortSignal,
): Promise<LogRange[]> {
  const found: LogRange[] = [];
  let reached = from.lsn;
  for await (const listing of repository.logs({ stream, from: positionName(from.timeline, from.lsn), signal })) {
    if (!listing.ok) continue;
    const { range } = listing.manifest;
    if (range.timeline !== from.timeline || lsnOf(range.start) > lsnOf(reached) || lsnOf(range.end) <= lsnOf(reached)) continue;
    found.push({ ...range, start: reached });
    reached = range.end;
  }
  return found;
}
