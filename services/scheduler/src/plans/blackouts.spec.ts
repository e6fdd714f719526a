import { describe, expect, it } from '@jest/globals';
import type { BlackoutWindow, Weekday } from '@rahat/contracts';
import fc from 'fast-check';
import { blackoutAt, mistakesInWindows } from './blackouts.js';
import { dueAt } from './due-time.js';
import { jitterMs } from './jitter.js';

const weekly = (days: Weekday[], from: string, to: string, timeZone = 'Europe/Berlin'): BlackoutWindow => ({
  kind: 'weekly',
  days,
  from,
  to,
  timeZone,
});
const dated = (from: string, to: string): BlackoutWindow => ({ kind: 'dated', from, to });
const ALL_DAYS: Weekday[] = ['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday'];
const until = (windows: BlackoutWindow[], at: string) => {
  const blackout = blackoutAt(windows, new Date(at));
  return blackout === undefined ? 'free' : (blackout.until?.toISOString().slice(0, 16) ?? 'for ever');
};

describe('a blackout window', () => {
  const office = weekly(['monday', 'friday'], '08:00', '18:00');
  const night = weekly(['sunday'], '22:00', '06:00');
  it.each([
    ['holds its first minute', [office], '2026-11-23T07:00Z', '2026-11-23T17:00'],
    ['lets its last minute go', [office], '2026-11-23T17:00Z', 'free'],
    ['is not on other days', [office], '2026-11-24T10:00Z', 'free'],
    ['reaches over midnight', [night], '2026-11-23T04:59Z', '2026-11-23T05:00'],
    ['does not reach over a midnight before its day', [night], '2026-11-22T04:00Z', 'free'],
    ['of a whole day ends with it', [weekly(['monday'], '00:00', '00:00')], '2026-11-23T12:00Z', '2026-11-23T23:00'],
    [
      'is followed through those that adjoin it',
      [night, weekly(['monday'], '06:00', '07:30'), dated('2026-11-23T06:00:00Z', '2026-11-23T09:00:00Z')],
      '2026-11-22T23:00Z',
      '2026-11-23T09:00',
    ],
    ['of every day and all day never ends', [weekly(ALL_DAYS, '00:00', '00:00')], '2026-11-23T12:00Z', 'for ever'],
    ['is longer in the night in which an hour is doubled', [weekly(['sunday'], '01:00', '02:30')], '2026-10-25T01:15Z', '2026-10-25T01:30'],
    [
      'ends where the clock goes on when its end is skipped',
      [weekly(['sunday'], '01:00', '02:30')],
      '2026-03-29T00:30Z',
      '2026-03-29T01:00',
    ],
  ])('%s', (_, windows, at, expected) => {
    expect(until(windows, at)).toBe(expected);
  });

  it('needs a zone that exists', () => {
    expect(mistakesInWindows([office, weekly(['monday'], '08:00', '09:00', 'Mars/Phobos')]).map(({ pointer }) => pointer)).toEqual([
      '/blackouts/1/timeZone',
    ]);
  });
});

describe('the time at which a run is due', () => {
  const rules = {
    plan: 'plan_1',
    jitterMinutes: 0,
    windows: [weekly(['monday'], '02:00', '05:00', 'UTC')],
    whenDueInside: 'move' as const,
  };
  const at = new Date('2026-11-23T03:00:00Z');
  it('is moved to the end of a window, or left there to be skipped', () => {
    expect(dueAt(at, rules)).toEqual(new Date('2026-11-23T05:00:00Z'));
    expect(dueAt(at, { ...rules, whenDueInside: 'skip' })).toEqual(at);
  });
  it('never lies in a window that ends, is never early, and is always the same', () => {
    const hour = fc.integer({ min: 0, max: 23 }).map((value) => `${String(value).padStart(2, '0')}:00`);
    const anyWindow = fc.record({ days: fc.subarray(ALL_DAYS, { minLength: 1, maxLength: 5 }), from: hour, to: hour });
    fc.assert(
      fc.property(
        fc.array(anyWindow, { maxLength: 4 }),
        fc.integer({ min: 0, max: 240 }),
        fc.date({ min: new Date('2026-01-01'), max: new Date('2028-01-01'), noInvalidDate: true }),
        (drawn, jitterMinutes, occursAt) => {
          const windows = drawn.map(({ days, from, to }) => weekly(days, from, to));
          const due = dueAt(occursAt, { ...rules, windows, jitterMinutes });
          expect(due.getTime()).toBeGreaterThanOrEqual(occursAt.getTime());
          expect(dueAt(occursAt, { ...rules, windows, jitterMinutes })).toEqual(due);
          expect(blackoutAt(windows, due)?.until).toBeUndefined();
        },
      ),
      { numRuns: 100 },
    );
  });
  it('is spread below the jitter, differently for each plan', () => {
    const drawn = Array.from({ length: 400 }, (_, index) => jitterMs(`plan_${index}`, at, 10) / 60_000);
    expect(Math.min(...drawn)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...drawn)).toBeLessThan(10);
    for (const tenth of [0, 2, 4, 6, 8])
      expect(drawn.filter((minutes) => minutes >= tenth && minutes < tenth + 2).length).toBeGreaterThan(30);
  });
});
