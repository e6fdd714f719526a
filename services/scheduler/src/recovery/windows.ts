import { leafOf, holdsTip, mainWay, reachesAt, waysFrom, type Base, type Log, type Range, type Span, type Way } from './ways.js';

/** Bases from which the same end of the log is reached: every moment since the oldest of them can be recovered. */
export interface Window {
  from: Date;
  to: Date;
  way: Way;
  /** What can be reached by naming its timeline only. */
  abandoned: Span[];
  /** Oldest first. */
  bases: Base[];
  open: boolean;
}

/** Of one stream, oldest first. */
export function windowsOf(log: Log, bases: readonly Base[]): Window[] {
  const byLeaf = new Map<Range, { base: Base; ways: Way[]; main: Way }[]>();
  for (const base of [...bases].sort(byTime)) {
    const ways = waysFrom(base, log);
    const main = mainWay(ways);
    if (!main) continue;
    const leaf = leafOf(main);
    byLeaf.set(leaf, [...(byLeaf.get(leaf) ?? []), { base, ways, main }]);
  }
  return [...byLeaf].map(([leaf, reached]) => windowOf(leaf, reached, log)).sort((a, b) => a.from.getTime() - b.from.getTime());
}

function windowOf(leaf: Range, reached: { base: Base; ways: Way[]; main: Way }[], log: Log): Window {
  const { base, main } = reached[0]!;
  const last = reachesAt(main);
  const onMain = new Set(main.map(({ range }) => range));
  const abandoned = new Map<Range, Span>();
  for (const way of reached.flatMap(({ ways }) => ways)) {
    const span = way.at(-1)!;
    const left = main.find(({ range }) => range === span.range);
    if (!onMain.has(span.range) || (left && left.end < span.end)) abandoned.set(span.range, span);
  }
  return {
    from: base.at,
    to: last && last > base.at ? last : base.at,
    way: main,
    abandoned: [...abandoned.values()],
    bases: reached.map((one) => one.base),
    open: holdsTip(leaf, log),
  };
}

function byTime(a: Base, b: Base): number {
  return a.at.getTime() - b.at.getTime() || (a.id < b.id ? -1 : 1);
}
