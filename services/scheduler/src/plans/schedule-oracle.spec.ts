import { describe, expect, it } from '@jest/globals';
import { CronExpressionParser } from 'cron-parser';
import fc from 'fast-check';
import { metClockChanges } from './clock-changes.js';
import { nextOccurrences, occurrencesBetween } from './schedule.js';
import { upcoming } from './upcoming.js';

const MINUTE = 60_000;
const DAY = 86_400_000;
const ZONES = [
  'UTC',
  'Europe/Istanbul',
  'Europe/Berlin',
  'Europe/Dublin',
  'America/New_York',
  'America/St_Johns',
  'America/Santiago',
  'Australia/Lord_Howe',
  'Asia/Kolkata',
  'Asia/Kathmandu',
  'Africa/Casablanca',
  'Pacific/Apia',
  'Pacific/Chatham',
];

interface Minute {
  instant: number;
  wallClock: number;
}

/** Walks every minute of the world and asks each whether its wall clock is meant: slow, and too simple to be wrong. */
function byBruteForce(cron: string, timeZone: string, after: number, until: number): number[] {
  const [minutes, hours, days, months, weekdays] = cron.split(' ') as [string, string, string, string, string];
  const meant = (wallClock: number) => {
    const at = new Date(wallClock);
    const day = holds(days, at.getUTCDate(), 1, 31);
    const weekday = holds(weekdays, at.getUTCDay(), 0, 7) || (at.getUTCDay() === 0 && holds(weekdays, 7, 0, 7));
    const onDay = days === '*' || weekdays === '*' ? day && weekday : day || weekday;
    return (
      holds(minutes, at.getUTCMinutes(), 0, 59) &&
      holds(hours, at.getUTCHours(), 0, 23) &&
      holds(months, at.getUTCMonth() + 1, 1, 12) &&
      onDay
    );
  };
  const everyHour = Array.from({ length: 24 }, (_, hour) => hour).every((hour) => holds(hours, hour, 0, 23));
  const found = new Set<number>();
  const shown = new Set<number>();
  let last: Minute | undefined;
  for (const minute of minutesOf(timeZone, after - DAY, until)) {
    // A jump forward: the minutes that were left out happen now.
    for (let missing = (last?.wallClock ?? minute.wallClock) + MINUTE; missing < minute.wallClock; missing += MINUTE)
      if (meant(missing)) found.add(minute.instant);
    if (meant(minute.wallClock) && (everyHour || !shown.has(minute.wallClock))) found.add(minute.instant);
    shown.add(minute.wallClock);
    last = minute;
  }
  return [...found].filter((instant) => instant > after && instant <= until).sort((a, b) => a - b);
}

function holds(field: string, value: number, lowest: number, highest: number): boolean {
  return field.split(',').some((item) => {
    const [range, step = '1'] = item.split('/') as [string, string?];
    const [from, to] = range === '*' ? [lowest, highest] : range.split('-').map(Number);
    const end = to ?? (item.includes('/') ? highest : from!);
    return value >= from! && value <= end && (value - from!) % Number(step) === 0;
  });
}

function* minutesOf(timeZone: string, from: number, until: number): Generator<Minute> {
  const format = new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'medium' });
  for (let instant = Math.floor(from / MINUTE) * MINUTE; instant <= until; instant += MINUTE)
    yield { instant, wallClock: Date.parse(`${format.format(instant).replace(' ', 'T')}Z`) };
}

const upTo = (highest: number, lowest = 0) => fc.integer({ min: lowest, max: highest });
const field = (lowest: number, highest: number) =>
  fc.oneof(
    { weight: 3, arbitrary: fc.constant('*') },
    { weight: 3, arbitrary: upTo(highest, lowest).map(String) },
    fc.tuple(upTo(highest, lowest), upTo(highest, lowest)).map(([a, b]) => `${Math.min(a, b)}-${Math.max(a, b)}`),
    fc.uniqueArray(upTo(highest, lowest), { minLength: 2, maxLength: 4 }).map((items) => items.join(',')),
    upTo(Math.floor(highest / 2), 2).map((step) => `*/${step}`),
  );
const expression = fc
  .tuple(field(0, 59), fc.oneof(field(0, 23), fc.constantFrom('0', '1', '2', '3', '1-3', '2,23')), field(1, 28), field(1, 12), field(0, 6))
  .map((fields) => fields.join(' '));
/** Both edges of the zones above, a leap day, two year ends, and days on which nothing happens. */
const START = fc.constantFrom(
  '2026-03-08',
  '2026-03-29',
  '2026-10-25',
  '2026-11-01',
  '2026-04-05',
  '2026-10-04',
  '2026-09-06',
  '2026-09-27',
  '2026-02-15',
  '2028-02-28',
  '2026-12-31',
  '2027-12-31',
  '2011-12-30',
  '2016-03-27',
  '2026-07-01',
);

describe('occurrences', () => {
  it('are those of a walk through every minute of the world, transitions of the clock included', () => {
    fc.assert(
      fc.property(expression, fc.constantFrom(...ZONES), START, (cron, timeZone, day) => {
        const [after, until] = [Date.parse(`${day}T00:00:00Z`) - DAY / 2, Date.parse(`${day}T00:00:00Z`) + 1.5 * DAY];
        const ours = occurrencesBetween({ cron, timeZone }, new Date(after), new Date(until), 100_000);
        expect(ours.map((at) => at.toISOString())).toEqual(
          byBruteForce(cron, timeZone, after, until).map((at) => new Date(at).toISOString()),
        );
      }),
      { numRuns: 60 },
    );
  }, 240_000);

  it('are those of cron-parser where no clock changes', () => {
    fc.assert(
      fc.property(expression, fc.constantFrom(...ZONES), fc.integer({ min: 0, max: 3_000 }), (cron, timeZone, day) => {
        const after = new Date(Date.parse('2020-01-01T00:00:00Z') + day * DAY);
        const until = new Date(after.getTime() + 3 * DAY);
        fc.pre(offsetsOf(timeZone, after.getTime() - DAY, until.getTime() + DAY).size === 1);
        const theirs = [];
        // Without an end it walks on to changes of the clock that are not asked for, and never comes back from Lord Howe's.
        const interval = CronExpressionParser.parse(cron, { tz: timeZone, currentDate: after, endDate: until });
        while (interval.hasNext()) theirs.push(interval.next().toISOString());
        expect(occurrencesBetween({ cron, timeZone }, after, until, 100_000).map((at) => at.toISOString())).toEqual(theirs);
      }),
      { numRuns: 150, examples: [['0 2 * 4-4 0', 'Australia/Lord_Howe', 0]] },
    );
  }, 240_000);

  it('are the same asked for by number as asked for by time', () => {
    fc.assert(
      fc.property(expression, fc.constantFrom(...ZONES), START, (cron, timeZone, day) => {
        const after = new Date(`${day}T00:00:00Z`);
        const next = nextOccurrences({ cron, timeZone }, after, 7);
        expect(occurrencesBetween({ cron, timeZone }, after, next.at(-1)!, 7)).toEqual(next);
      }),
      { numRuns: 150 },
    );
  });

  it('are remembered as they are, whenever they are asked for', () => {
    const asked = fc.array(fc.record({ hours: fc.integer({ min: -72, max: 72 }), count: fc.constantFrom(1, 5, 15) }), {
      minLength: 2,
      maxLength: 6,
    });
    fc.assert(
      fc.property(expression, fc.constantFrom(...ZONES), START, asked, (cron, timeZone, day, questions) => {
        for (const { hours, count } of questions) {
          const after = new Date(Date.parse(`${day}T00:00:00Z`) + hours * 3_600_000);
          expect(upcoming({ cron, timeZone }, after, count)).toEqual(
            nextOccurrences({ cron, timeZone }, after, count).map((at) => at.getTime()),
          );
        }
      }),
      { numRuns: 100 },
    );
  }, 120_000);
});

describe('changes of the clock', () => {
  const met = (cron: string, timeZone: string, from: string, to: string) =>
    metClockChanges({ cron, timeZone }, new Date(from), new Date(to)).map(
      ({ kind, wallClock, runsAt }) => `${kind} ${wallClock} → ${runsAt.map((at) => at.toISOString().slice(11, 16)).join(' ')}`,
    );

  it('are told where the schedule meets them, and only there', () => {
    expect(met('30 2 * * *', 'Europe/Berlin', '2026-01-01', '2027-01-01')).toEqual([
      'skipped 2026-03-29 02:30 → 01:00',
      'doubled 2026-10-25 02:30 → 00:30',
    ]);
    expect(met('30 * * * *', 'Europe/Berlin', '2026-06-01', '2027-01-01')).toEqual(['doubled 2026-10-25 02:30 → 00:30 01:30']);
    expect(met('0 3 * * *', 'Europe/Berlin', '2026-01-01', '2027-01-01')).toEqual([]);
    expect(met('45 1 * * *', 'Australia/Lord_Howe', '2026-01-01', '2026-07-01')).toEqual(['doubled 2026-04-05 01:45 → 14:45']);
    expect(met('30 2 * * *', 'Europe/Istanbul', '2026-01-01', '2028-01-01')).toEqual([]);
  });

  it('are where the occurrences themselves say so', () => {
    fc.assert(
      fc.property(expression, fc.constantFrom(...ZONES), (cron, timeZone) => {
        const [after, until] = [new Date('2026-01-01T00:00:00Z'), new Date('2027-01-01T00:00:00Z')];
        for (const change of metClockChanges({ cron, timeZone }, after, until)) {
          const around = occurrencesBetween({ cron, timeZone }, new Date(change.runsAt[0]!.getTime() - 1), change.runsAt.at(-1)!, 1_000);
          for (const at of change.runsAt) expect(around.map((occurrence) => occurrence.getTime())).toContain(at.getTime());
        }
      }),
      { numRuns: 40 },
    );
  });
});

function offsetsOf(timeZone: string, from: number, until: number): Set<number> {
  const format = new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'medium' });
  const offsets = new Set<number>();
  for (let instant = from; instant <= until; instant += 3_600_000)
    offsets.add(Date.parse(`${format.format(instant).replace(' ', 'T')}Z`) - instant);
  return offsets;
}
