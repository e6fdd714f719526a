import { type LogRange, lsnText, RahatError } from '@rahat/contracts';
import { type Extent, LogCoverage } from './log-coverage.js';
import { formatLogTime, parseLogTime } from './log-records.js';
import { parseTimelineHistory, type TimelineStep } from './timeline-history.js';

/** Where a base backup stands in the log. */
export interface BasePlace {
  timeline: number;
  /** From `start` its recovery reads, at `end` it is consistent. */
  start: bigint;
  end: bigint;
  segmentSize: number;
}

/** The way from a base backup on, as far as the log goes without a hole. */
export interface RecoveryRoute {
  timeline: number;
  /** Adjacent; from the start of the segment in which the base backup ends. Empty where the log doesn't reach on from it. */
  pieces: { timeline: number; start: bigint; end: bigint }[];
  /** The base backup's own end, where there is no piece. */
  end: bigint;
  /** By the commits in the log behind the base backup. */
  lastCommitAt?: bigint;
  /** Why it ends where it does, when that isn't the log's end. */
  hole?: string;
  /** What holds the pieces, in the way's order, cut where the way leaves them. */
  extents: (Extent & { timeline: number; cut: boolean })[];
}

/**
 * Chooses the timeline and finds how far the log goes on from the base backup. Refuses a timeline that doesn't come out of the base
 * backup's behind its end ("requested timeline is not a child").
 */
export function findRoute(
  base: BasePlace,
  log: { ranges: readonly LogRange[]; histories: ReadonlyMap<number, Buffer> },
  wanted?: number,
): RecoveryRoute {
  const coverage = new LogCoverage(log.ranges);
  const timeline = wanted ?? newestChild(base, log.histories, coverage);
  if (timeline !== base.timeline && timeline > 1 && !log.histories.has(timeline))
    throw unreachable(`the log holds no timeline ${timeline}`, `The backup is of timeline ${base.timeline}.`);
  const way = wayFrom(base, timeline, log.histories);
  if (!way) {
    throw unreachable(
      `timeline ${timeline} does not come out of timeline ${base.timeline} behind the backup's end at ${lsnText(base.end)}`,
      'Take a backup that was made before that timeline began, or one that was made on it.',
    );
  }
  return walk(base, timeline, way, coverage);
}

/** The way to a timeline, from the base backup's on; undefined when it left the base backup's timeline before the backup's end. */
function wayFrom(base: BasePlace, timeline: number, histories: ReadonlyMap<number, Buffer>): TimelineStep[] | undefined {
  if (timeline === base.timeline && !histories.has(timeline)) return [{ timeline, start: 0n }];
  const way = parseTimelineHistory(timeline, histories.get(timeline));
  const own = way.findIndex((step) => step.timeline === base.timeline);
  const end = way[own]?.end;
  return own < 0 || (end !== undefined && end < base.end) ? undefined : way;
}

function newestChild(base: BasePlace, histories: ReadonlyMap<number, Buffer>, coverage: LogCoverage): number {
  const children = [...new Set([...coverage.timelines, ...histories.keys()])].filter(
    (timeline) => timeline > base.timeline && histories.has(timeline) && wayFrom(base, timeline, histories) !== undefined,
  );
  return Math.max(base.timeline, ...children);
}

function walk(base: BasePlace, timeline: number, way: TimelineStep[], coverage: LogCoverage): RecoveryRoute {
  const size = BigInt(base.segmentSize);
  const begin = base.end - (base.end % size);
  const route: RecoveryRoute = { timeline, pieces: [], end: base.end, extents: [] };
  // The segment in which the base backup's own timeline began holds the former one's bytes first; the log may have them as either's.
  const own = way.findIndex((step) => step.timeline === base.timeline);
  const steps = coverage.wholeUntil(base.timeline, begin) > begin ? way.slice(own) : way;
  let reached = begin;
  for (const { timeline: on, end } of steps) {
    if (end !== undefined && end <= reached) continue;
    const there = coverage.wholeUntil(on, reached);
    const whole = end !== undefined && there > end ? end : there;
    if (whole > reached) {
      route.pieces.push({ timeline: on, start: reached, end: whole });
      for (const extent of coverage.extents(on, reached, whole)) route.extents.push({ ...extent, timeline: on, cut: extent.end > whole });
      reached = whole;
    }
    if (end !== undefined ? whole >= end : coverage.nextStart(on, reached) === undefined) continue;
    const next = coverage.nextStart(on, reached);
    const to = next ?? end;
    route.hole = `the log has a gap from ${lsnText(reached)} to ${to === undefined ? 'its end' : lsnText(to)} of timeline ${on}`;
    break;
  }
  if (reached <= base.end) return { ...route, pieces: [], extents: [], end: base.end };
  route.end = reached;
  for (const { end, cut, range } of route.extents) {
    if (cut || end <= base.end || range.lastCommitAt === undefined) continue;
    const at = parseLogTime(range.lastCommitAt);
    if (route.lastCommitAt === undefined || at > route.lastCommitAt) route.lastCommitAt = at;
  }
  return route;
}

/** For people: what can be reached on a way. */
export function describeReach(base: BasePlace, route: RecoveryRoute): string {
  const last = route.lastCommitAt === undefined ? '' : `, the last commit in it at ${formatLogTime(route.lastCommitAt)}`;
  const hole = route.hole === undefined ? '' : `; behind that ${route.hole}`;
  return `Reachable from this backup is ${lsnText(base.end)} to ${lsnText(route.end)} of timeline ${route.timeline}${last}${hole}.`;
}

export function unreachable(why: string, reach: string): RahatError {
  return new RahatError('recovery_target_unreachable', `The point in time can't be reached: ${why}`, {
    hint: `${reach} Nothing was touched.`,
  });
}
