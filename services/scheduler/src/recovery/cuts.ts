import { holdsTip, waysFrom, type Base, type Log, type Range } from './ways.js';

/** Segments are replayed as a whole. Larger ones than PostgreSQL makes by default lie in the base backup itself. */
const SEGMENT_BYTES = 16n * 1024n * 1024n;

export interface Cut {
  range: Range;
  /** What lies before it is needed by nobody. */
  at: bigint;
}

/**
 * What no kept base needs: of the range that a base begins in what lies before the oldest such base; a range that no base reaches as
 * a whole. The range that is being followed stays as long as no base is in it: one may be under way.
 */
export function cutsOf(log: Log, kept: readonly Base[]): Cut[] {
  const neededFrom = new Map<Range, bigint>();
  const need = (range: Range, from: bigint) => {
    const before = neededFrom.get(range);
    if (before === undefined || from < before) neededFrom.set(range, from);
  };
  for (const base of kept)
    for (const way of waysFrom(base, log))
      for (const [index, { range }] of way.entries()) need(range, index === 0 ? base.start - (base.start % SEGMENT_BYTES) : range.start);
  return log.ranges.flatMap((range) => {
    const at = neededFrom.get(range) ?? (holdsTip(range, log) ? range.start : range.end);
    return at > range.start ? [{ range, at: at < range.end ? at : range.end }] : [];
  });
}
