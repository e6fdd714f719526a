/** A base backup in the log of its server: replay begins at `start`, and until `end` it is not consistent. */
export interface Base {
  id: string;
  timeline: number;
  start: bigint;
  end: bigint;
  /** Of which moment it is. */
  at: Date;
}

/** Committed log without a hole. */
export interface Range {
  timeline: number;
  start: bigint;
  end: bigint;
  lastCommitAt: Date | null;
}

export interface Branch {
  timeline: number;
  parent: number;
  at: bigint;
}

/** The log of one stream, which is of one database system. */
export interface Log {
  ranges: readonly Range[];
  branches: readonly Branch[];
  /** Where it is followed on; null = nobody follows it, or it begins anew. */
  tip: { timeline: number; lsn: bigint } | null;
}

/** A part of a way: a range up to where the way leaves it for the next timeline. */
export interface Span {
  range: Range;
  parent: number | null;
  start: bigint;
  end: bigint;
  /** null = no transaction ends in it, or none that is known to be before the way leaves it. */
  lastCommitAt: Date | null;
}

/** From a base through its log, oldest span first; the last one is followed to its end. */
export type Way = readonly Span[];

/** Every way from a base: one to the end of each range that can be reached from it. None = no log covers the base itself. */
export function waysFrom(base: Base, log: Log): Way[] {
  const root = log.ranges.find((range) => range.timeline === base.timeline && range.start <= base.start && base.end <= range.end);
  return root ? continued([], root, { parent: null, from: base.end, start: base.start }, log) : [];
}

/** As PostgreSQL follows the newest timeline when none is named. */
export function mainWay(ways: readonly Way[]): Way | undefined {
  return ways.reduce<Way | undefined>((best, way) => (!best || leafOf(way).timeline > leafOf(best).timeline ? way : best), undefined);
}

export function leafOf(way: Way): Range {
  return way.at(-1)!.range;
}

/** The last moment that can be told from the log of a way. */
export function reachesAt(way: Way): Date | null {
  return way.reduce<Date | null>((last, { lastCommitAt }) => (lastCommitAt && (!last || lastCommitAt > last) ? lastCommitAt : last), null);
}

export function holdsTip(range: Range, { tip }: Log): boolean {
  return tip !== null && range.timeline === tip.timeline && range.start <= tip.lsn && tip.lsn <= range.end;
}

/** The log goes on, and no base is in it: what is committed from now on could not be recovered. */
export function needsBase(log: Log, bases: readonly Base[]): boolean {
  const tip = log.ranges.find((range) => holdsTip(range, log));
  return tip !== undefined && !bases.some((base) => waysFrom(base, log).some((way) => leafOf(way) === tip));
}

function continued(before: Way, range: Range, entry: { parent: number | null; from: bigint; start: bigint }, log: Log): Way[] {
  const { parent, from, start } = entry;
  const whole: Span = { range, parent, start, end: range.end, lastCommitAt: range.lastCommitAt };
  const ways: Way[] = [[...before, whole]];
  for (const branch of log.branches) {
    // A later timeline has a higher number, so that this ends whatever is told of branches.
    if (branch.parent !== range.timeline || branch.timeline <= range.timeline || branch.at < from || branch.at > range.end) continue;
    const next = log.ranges.find(
      (other) => other.timeline === branch.timeline && other.start <= branch.at && branch.at <= other.end && other !== range,
    );
    // What was committed behind the place where the way leaves is not on it.
    const left: Span = { ...whole, end: branch.at, lastCommitAt: branch.at === range.end ? range.lastCommitAt : null };
    if (next) ways.push(...continued([...before, left], next, { parent: range.timeline, from: branch.at, start: branch.at }, log));
  }
  return ways;
}
