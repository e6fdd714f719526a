import { describe, expect, it } from '@jest/globals';
import { type LogRange, lsnText, RahatError } from '@rahat/contracts';
import { parseLogPosition } from '../physical/log-position.js';
import { describeReach, findRoute } from './recovery-route.js';

const base = (timeline: number, end: string) => ({ timeline, start: 0x2000028n, end: parseLogPosition(end), segmentSize: 0x1000000 });
const range = (timeline: number, start: string, end: string, lastCommitAt?: string): LogRange => ({
  timeline,
  start,
  end,
  ...(lastCommitAt && { firstCommitAt: lastCommitAt, lastCommitAt }),
});
const histories = (files: Record<number, string>) => new Map(Object.entries(files).map(([id, text]) => [Number(id), Buffer.from(text)]));
const FORKED = histories({ 2: '1\t0/5000100\tno recovery target specified\n' });
const TWICE = histories({
  2: '1\t0/5000100\tno recovery target specified\n',
  3: '1\t0/5000100\tno recovery target specified\n\n2\t0/7000000\tbefore 2026\n',
  4: '1\t0/4000000\ta drill\n',
});

type Case = [
  name: string,
  base: ReturnType<typeof base>,
  ranges: LogRange[],
  histories: ReadonlyMap<number, Buffer>,
  timeline: number | undefined,
  expected: { timeline: number; pieces: string[]; hole?: RegExp } | RegExp,
];

const CASES: Case[] = [
  ['no log at all', base(1, '0/2000100'), [], new Map(), undefined, { timeline: 1, pieces: [] }],
  [
    'adjacent and overlapping ranges',
    base(1, '0/2000100'),
    [range(1, '0/2800000', '0/3500000'), range(1, '0/2000000', '0/3000000'), range(1, '0/3500000', '0/3500020')],
    new Map(),
    undefined,
    { timeline: 1, pieces: ['1 0/2000000-0/3500020'] },
  ],
  [
    'a gap',
    base(1, '0/2000100'),
    [range(1, '0/2000000', '0/3000000'), range(1, '0/3000008', '0/4000000')],
    new Map(),
    undefined,
    { timeline: 1, pieces: ['1 0/2000000-0/3000000'], hole: /gap from 0\/3000000 to 0\/3000008 of timeline 1/ },
  ],
  [
    'a log that begins behind the segment of the backup’s end',
    base(1, '0/2000100'),
    [range(1, '0/3000000', '0/4000000')],
    new Map(),
    undefined,
    { timeline: 1, pieces: [], hole: /gap from 0\/2000000 to 0\/3000000/ },
  ],
  [
    'a log that ends before the backup',
    base(1, '0/2000100'),
    [range(1, '0/1000000', '0/2000100')],
    new Map(),
    undefined,
    { timeline: 1, pieces: [] },
  ],
  [
    'a promotion, and what the former primary wrote behind it',
    base(1, '0/2000100'),
    [range(1, '0/2000000', '0/5000900'), range(2, '0/5000100', '0/6000000')],
    FORKED,
    undefined,
    { timeline: 2, pieces: ['1 0/2000000-0/5000100', '2 0/5000100-0/6000000'] },
  ],
  [
    'the former timeline, when it is asked for',
    base(1, '0/2000100'),
    [range(1, '0/2000000', '0/5000900'), range(2, '0/5000100', '0/6000000')],
    FORKED,
    1,
    { timeline: 1, pieces: ['1 0/2000000-0/5000900'] },
  ],
  [
    'a former timeline that breaks off before the fork',
    base(1, '0/2000100'),
    [range(1, '0/2000000', '0/5000000'), range(2, '0/5000100', '0/6000000')],
    FORKED,
    undefined,
    { timeline: 2, pieces: ['1 0/2000000-0/5000000'], hole: /gap from 0\/5000000 to 0\/5000100 of timeline 1/ },
  ],
  [
    'a new timeline whose log begins behind the fork',
    base(1, '0/2000100'),
    [range(1, '0/2000000', '0/5000100'), range(2, '0/6000000', '0/7000000')],
    FORKED,
    undefined,
    { timeline: 2, pieces: ['1 0/2000000-0/5000100'], hole: /gap from 0\/5000100 to 0\/6000000 of timeline 2/ },
  ],
  [
    'a backup of the new timeline, with the segment’s beginning from the former',
    base(2, '0/5000800'),
    [range(1, '0/4000000', '0/5000100'), range(2, '0/5000100', '0/6000000')],
    FORKED,
    undefined,
    { timeline: 2, pieces: ['1 0/5000000-0/5000100', '2 0/5000100-0/6000000'] },
  ],
  [
    'a backup of the new timeline, whose stream begins with the segment',
    base(2, '0/5000800'),
    [range(2, '0/5000000', '0/6000000')],
    FORKED,
    undefined,
    { timeline: 2, pieces: ['2 0/5000000-0/6000000'] },
  ],
  [
    'two promotions, past a sibling that left before the backup’s end',
    base(1, '0/4800000'),
    [
      range(1, '0/4000000', '0/5000100'),
      range(2, '0/5000100', '0/7000000'),
      range(3, '0/7000000', '0/8000000'),
      range(4, '0/4000000', '0/9000000'),
    ],
    TWICE,
    undefined,
    { timeline: 3, pieces: ['1 0/4000000-0/5000100', '2 0/5000100-0/7000000', '3 0/7000000-0/8000000'] },
  ],
  [
    'a timeline that is not a child',
    base(1, '0/4800000'),
    [range(1, '0/4000000', '0/5000100')],
    TWICE,
    4,
    /timeline 4 does not come out of timeline 1/,
  ],
  [
    'a timeline that is the parent',
    base(2, '0/5800000'),
    [range(1, '0/4000000', '0/5000100')],
    TWICE,
    1,
    /timeline 1 does not come out of timeline 2/,
  ],
  ['a timeline that nobody knows', base(1, '0/4800000'), [], TWICE, 9, /the log holds no timeline 9/],
];

describe('the way from a base backup through the log', () => {
  it.each(CASES)('%s', (_name, from, ranges, files, timeline, expected) => {
    const find = () => findRoute(from, { ranges, histories: files }, timeline);
    if (expected instanceof RegExp) {
      expect(find).toThrow(expected);
      expect(find).toThrow(RahatError);
      return;
    }
    const route = find();
    const pieces = route.pieces.map((piece) => `${piece.timeline} ${lsnText(piece.start)}-${lsnText(piece.end)}`);
    expect({ timeline: route.timeline, pieces }).toEqual({ timeline: expected.timeline, pieces: expected.pieces });
    expect(route.hole ?? '').toMatch(expected.hole ?? /^$/);
  });

  it('tells the last commit of what it leads through, and of nothing else', () => {
    const route = findRoute(base(1, '0/2000100'), {
      ranges: [
        range(1, '0/2000000', '0/3000000', '2026-01-01T00:00:00.000001Z'),
        range(1, '0/3000000', '0/5000900', '2026-01-03T00:00:00.000000Z'),
        range(2, '0/5000100', '0/6000000', '2026-01-02T00:00:00.000002Z'),
      ],
      histories: FORKED,
    });
    expect(describeReach(base(1, '0/2000100'), route)).toBe(
      'Reachable from this backup is 0/2000100 to 0/6000000 of timeline 2, the last commit in it at 2026-01-02T00:00:00.000002Z.',
    );
  });
});
