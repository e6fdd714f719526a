import { lsnOf, lsnText } from '@rahat/contracts';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { cutsOf } from './cuts.js';
import { reach } from './reachable.js';
import { leafOf, mainWay, needsBase, reachesAt, waysFrom, type Base, type Branch, type Log, type Range } from './ways.js';
import { windowsOf } from './windows.js';

const at = (minute: number) => new Date(Date.UTC(2026, 10, 27, 0, minute));
/** A megabyte is written in a minute. */
const lsn = (minute: number) => BigInt(minute) * 1024n * 1024n;
const base = (id: string, minute: number, timeline = 1): Base => ({
  id,
  timeline,
  start: lsn(minute),
  end: lsn(minute) + 100n,
  at: at(minute),
});
const range = (from: number, to: number, timeline = 1): Range => ({ timeline, start: lsn(from), end: lsn(to), lastCommitAt: at(to) });
const branch = (timeline: number, parent: number, minute: number): Branch => ({ timeline, parent, at: lsn(minute) });
const log = (ranges: Range[], change: Partial<Log> = {}): Log => {
  const last = ranges.at(-1);
  return { ranges, branches: [], tip: last ? { timeline: last.timeline, lsn: last.end } : null, ...change };
};
const shown = (of: Log, bases: Base[]) =>
  windowsOf(of, bases).map(({ from, to, bases: in_, way, open }) => ({
    from: from.getUTCMinutes() + 60 * from.getUTCHours(),
    to: to.getUTCMinutes() + 60 * to.getUTCHours(),
    bases: in_.map(({ id }) => id).join(' '),
    timelines: way.map((span) => span.range.timeline).join(' '),
    open,
  }));

describe('a position in the log', () => {
  it('is a number, and written as PostgreSQL writes it', () => {
    expect(lsnOf('16/B374D848')).toBe(0x16_b374d848n);
    fc.assert(fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (number) => lsnOf(lsnText(number)) === number));
  });
});

describe('recoverable windows', () => {
  it.each([
    ['a base in the log', log([range(0, 50)]), [base('a', 10)], [{ from: 10, to: 50, bases: 'a', timelines: '1', open: true }]],
    [
      'bases share a window',
      log([range(0, 50)]),
      [base('b', 20), base('a', 10)],
      [{ from: 10, to: 50, bases: 'a b', timelines: '1', open: true }],
    ],
    ['a base without covering log', log([range(20, 50)]), [base('a', 10)], []],
    ['a base whose log begins in the middle of it', log([{ ...range(10, 50), start: lsn(10) + 50n }]), [base('a', 10)], []],
    [
      'no transaction after the base',
      log([{ ...range(0, 50), lastCommitAt: null }]),
      [base('a', 10)],
      [{ from: 10, to: 10, bases: 'a', timelines: '1', open: true }],
    ],
    [
      'a gap, and a base behind it',
      log([range(0, 30), range(40, 60)]),
      [base('a', 10), base('b', 45)],
      [
        { from: 10, to: 30, bases: 'a', timelines: '1', open: false },
        { from: 45, to: 60, bases: 'b', timelines: '1', open: true },
      ],
    ],
    [
      'a promoted standby',
      log([range(0, 30), range(30, 60, 2)], { branches: [branch(2, 1, 30)] }),
      [base('a', 10), base('b', 40, 2)],
      [{ from: 10, to: 60, bases: 'a b', timelines: '1 2', open: true }],
    ],
    [
      'a base on what the source left when it failed over',
      log([range(0, 35), range(30, 60, 2)], { branches: [branch(2, 1, 30)] }),
      [base('a', 10), base('lost', 32)],
      [
        { from: 10, to: 60, bases: 'a', timelines: '1 2', open: true },
        { from: 32, to: 35, bases: 'lost', timelines: '1', open: false },
      ],
    ],
    [
      'log of the old timeline that ends before the new one begins',
      log([range(0, 25), range(30, 60, 2)], { branches: [branch(2, 1, 30)] }),
      [base('a', 10)],
      [{ from: 10, to: 25, bases: 'a', timelines: '1', open: false }],
    ],
    ['nothing', log([]), [base('a', 10)], []],
  ])('%s', (_name, of, bases, windows) => expect(shown(of, bases)).toEqual(windows));

  it('name what is reachable only by its timeline', () => {
    const [window] = windowsOf(log([range(0, 35), range(30, 60, 2)], { branches: [branch(2, 1, 30)] }), [base('a', 10)]);
    expect(window!.abandoned).toMatchObject([{ range: { timeline: 1 }, end: lsn(35) }]);
    expect(window!.way.map(({ end, lastCommitAt }) => [end, lastCommitAt])).toEqual([
      [lsn(30), null],
      [lsn(60), at(60)],
    ]);
  });
});

describe('a target', () => {
  const forked = log([range(0, 35), range(30, 60, 2)], { branches: [branch(2, 1, 30)] });
  const bases = [base('a', 10), base('b', 20), base('c', 45, 2)];
  const by = (minute: number, timeline?: number) =>
    reach(forked, bases, { target: { kind: 'time', time: at(minute).toISOString(), inclusive: true }, timeline })?.base.id;
  it('is reached from the nearest base before it', () => {
    expect(by(15)).toBe('a');
    expect(by(40)).toBe('b');
    expect(by(50)).toBe('c');
  });
  it('is refused before the first base, and behind the last transaction', () => {
    expect(by(9)).toBeUndefined();
    expect(by(61)).toBeUndefined();
  });
  it('may lie on a timeline that the source left', () => {
    expect(by(34, 1)).toBe('b');
    expect(by(40, 1)).toBeUndefined();
    expect(by(40, 7)).toBeUndefined();
  });
  it('may be a position, in the log and behind the end of the base', () => {
    const position = (number: bigint) => reach(forked, bases, { target: { kind: 'lsn', lsn: lsnText(number), inclusive: true } })?.base.id;
    expect(position(lsn(60))).toBe('c');
    expect(position(lsn(60) + 1n)).toBeUndefined();
    expect(position(lsn(10) + 100n)).toBe('a');
    expect(position(lsn(10) + 99n)).toBeUndefined();
  });
});

/** Streams as they come to be: log grows, forks, loses pieces; bases are made anywhere, some outside of it. */
const anyStory = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('commit' as const), minutes: fc.integer({ min: 1, max: 40 }) }),
    fc.record({ kind: fc.constant('gap' as const), minutes: fc.integer({ min: 1, max: 40 }) }),
    fc.record({ kind: fc.constant('fork' as const), back: fc.integer({ min: 0, max: 20 }) }),
    fc.record({ kind: fc.constant('base' as const), back: fc.integer({ min: 0, max: 60 }) }),
    fc.record({ kind: fc.constant('drop' as const), index: fc.nat(20) }),
    fc.record({ kind: fc.constant('cut' as const) }),
  ),
  { maxLength: 40 },
);

describe('removal of log', () => {
  it('never takes what a kept base needs, in whatever order log, gaps, forks, bases and their removal come', () => {
    fc.assert(
      fc.property(anyStory, (story) => {
        let ranges: Range[] = [];
        const branches: Branch[] = [];
        let bases: Base[] = [];
        let timeline = 1;
        let minute = 0;
        let broken = true;
        const now = (): Log => ({ ranges, branches, tip: broken ? null : { timeline, lsn: lsn(minute) } });
        for (const step of story) {
          switch (step.kind) {
            case 'commit': {
              const before = broken ? undefined : ranges.find((one) => one.timeline === timeline && one.end === lsn(minute));
              const grown = {
                timeline,
                start: before?.start ?? lsn(minute),
                end: lsn(minute + step.minutes),
                lastCommitAt: at(minute + step.minutes),
              };
              ranges = [...ranges.filter((one) => one !== before), grown];
              minute += step.minutes;
              broken = false;
              break;
            }
            case 'gap':
              minute += step.minutes;
              broken = true;
              break;
            case 'fork': {
              const from = Math.max(0, minute - step.back);
              branches.push(branch(timeline + 1, timeline, from));
              timeline += 1;
              minute = from;
              broken = true;
              break;
            }
            case 'base':
              bases.push(base(`base_${bases.length}_${minute}`, Math.max(0, minute - step.back), timeline));
              break;
            case 'drop':
              bases = bases.filter((_base, index) => index !== step.index);
              break;
            case 'cut': {
              const before = bases.map((one) => waysFrom(one, now()).map(essence));
              const cuts = new Map(cutsOf(now(), bases).map((cut) => [cut.range, cut.at]));
              const tip = ranges.find((one) => !broken && one.timeline === timeline && one.start <= lsn(minute) && lsn(minute) <= one.end);
              ranges = ranges.flatMap((one) => {
                const cut = cuts.get(one) ?? one.start;
                return cut >= one.end ? [] : [{ ...one, start: cut }];
              });
              expect(bases.map((one) => waysFrom(one, now()).map(essence))).toEqual(before);
              // What is being followed stays, also before its first base is there.
              if (tip) expect(ranges.some((one) => one.timeline === tip.timeline && one.end === tip.end)).toBe(true);
              // And nothing is left that nobody needs.
              expect(cutsOf(now(), bases)).toEqual([]);
            }
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  it('goes by whole segments, up to the oldest base that is kept', () => {
    const [cut] = cutsOf(log([range(0, 100)]), [base('b', 60), base('a', 40)]);
    expect(cut!.at).toBe(lsn(32));
  });
  it('takes the whole of what no base reaches, and nothing of what is being followed', () => {
    const of = log([range(0, 30), range(40, 60)]);
    expect(cutsOf(of, [])).toEqual([{ range: of.ranges[0], at: lsn(30) }]);
  });
});

describe('a base is needed', () => {
  it('at the beginning, after a gap, and not once one lies in the log that is followed', () => {
    expect(needsBase(log([range(0, 30)]), [])).toBe(true);
    expect(needsBase(log([range(0, 30)]), [base('a', 10)])).toBe(false);
    expect(needsBase(log([range(0, 30), range(40, 60)]), [base('a', 10)])).toBe(true);
    expect(needsBase(log([range(0, 30), range(30, 60, 2)], { branches: [branch(2, 1, 30)] }), [base('a', 10)])).toBe(false);
    expect(needsBase(log([]), [])).toBe(false);
  });
});

function essence(way: ReturnType<typeof waysFrom>[number]) {
  return [way.map((span) => [span.range.timeline, span.end]), reachesAt(way), leafOf(way).end, mainWay([way]) === way];
}
