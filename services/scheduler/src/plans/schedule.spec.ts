import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { inWords, mistakesIn, nextOccurrences, occurrencesBetween } from './schedule.js';

const next = (cron: string, timeZone: string, after: string, count = 2) =>
  nextOccurrences({ cron, timeZone }, new Date(after), count).map((at) => at.toISOString().slice(0, 16));

describe('a schedule', () => {
  it.each([
    [
      'runs a skipped time at the next valid minute',
      '30 2 * * *',
      'Europe/Berlin',
      '2026-03-28T12:00Z',
      ['2026-03-29T01:00', '2026-03-30T00:30'],
    ],
    ['runs several skipped times once', '*/15 2 * * *', 'Europe/Berlin', '2026-03-28T12:00Z', ['2026-03-29T01:00', '2026-03-30T00:00']],
    [
      'joins a skipped time with the one that stands at the same minute',
      '0 2,3 * * *',
      'Europe/Berlin',
      '2026-03-28T12:00Z',
      ['2026-03-29T01:00', '2026-03-30T00:00'],
    ],
    [
      'runs a doubled time once, the first time',
      '30 2 * * *',
      'Europe/Berlin',
      '2026-10-24T12:00Z',
      ['2026-10-25T00:30', '2026-10-26T01:30'],
    ],
    ['does so for a range of hours', '30 1-2 * * *', 'Europe/Berlin', '2026-10-24T23:00Z', ['2026-10-24T23:30', '2026-10-25T00:30']],
    [
      'keeps the rhythm of every hour in a doubled one',
      '30 * * * *',
      'Europe/Berlin',
      '2026-10-25T00:00Z',
      ['2026-10-25T00:30', '2026-10-25T01:30'],
    ],
    ['knows a skipped midnight', '0 0 * * *', 'America/Sao_Paulo', '2018-11-03T12:00Z', ['2018-11-04T03:00', '2018-11-05T02:00']],
    [
      'knows a transition of half an hour',
      '15 2 * * *',
      'Australia/Lord_Howe',
      '2026-10-03T10:00Z',
      ['2026-10-03T15:30', '2026-10-04T15:15'],
    ],
    ['knows a doubled half hour', '45 1 * * *', 'Australia/Lord_Howe', '2026-04-04T10:00Z', ['2026-04-04T14:45', '2026-04-05T15:15']],
    ['knows the leap day', '0 3 29 2 *', 'UTC', '2026-01-01T00:00Z', ['2028-02-29T03:00', '2032-02-29T03:00']],
    ['knows the year end', '59 23 31 12 *', 'Europe/Istanbul', '2026-12-01T00:00Z', ['2026-12-31T20:59', '2027-12-31T20:59']],
    ['starts after the given instant, not at it', '0 3 * * *', 'UTC', '2026-01-01T03:00Z', ['2026-01-02T03:00', '2026-01-03T03:00']],
  ])('%s', (_, cron, zone, after, expected) => {
    expect(next(cron, zone, after)).toEqual(expected);
  });

  it('names the field of every mistake', () => {
    const now = new Date('2026-01-01T00:00:00Z');
    const pointer = (cron: string, timeZone = 'UTC') => mistakesIn({ cron, timeZone }, now).map((mistake) => mistake.pointer);
    expect(pointer('0 3 * * *', 'Mars/Phobos')).toEqual(['/timeZone']);
    expect(pointer('0 3 * * *', '+03:00')).toEqual(['/timeZone']);
    for (const cron of ['', '@fortnightly', '@reboot', '0 3 * *', '0 0 3 * * *', '61 3 * * *', 'H 3 * * *', '0 0 30 2 *', 'a b c d e'])
      expect(pointer(cron)).toEqual(['/cron']);
    for (const cron of ['0 3 * MAR THU', '@daily', '@HOURLY', ' @weekly ', '@monthly', '@yearly', '@annually', '@midnight'])
      expect(pointer(cron)).toEqual([]);
  });

  it('speaks in words', () => {
    expect(inWords({ cron: '30 2 * * *', timeZone: 'Europe/Istanbul' })).toBe('At 02:30 (Europe/Istanbul)');
    expect(inWords({ cron: '@weekly', timeZone: 'UTC' })).toBe('At 00:00, only on Sunday (UTC)');
    expect(inWords({ cron: '30 2 * * 1-5', timeZone: 'Europe/Istanbul' }, 'tr')).toBe(
      'Saat 02:30, Pazartesi ile Cuma arasında (Europe/Istanbul)',
    );
  });

  it('gives the same occurrences whether asked once for a day or hour by hour', () => {
    const zones = ['UTC', 'Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kathmandu'];
    const crons = ['30 2 * * *', '*/20 * * * *', '15 1-3 * * *', '0 */6 * * *', '5 0 * * 0'];
    const days = ['2026-03-08', '2026-03-29', '2026-10-25', '2026-11-01', '2026-04-04', '2026-10-03', '2026-07-01'];
    fc.assert(
      fc.property(fc.constantFrom(...zones), fc.constantFrom(...crons), fc.constantFrom(...days), (timeZone, cron, day) => {
        const start = Date.parse(`${day}T00:00:00Z`);
        const whole = occurrencesBetween({ cron, timeZone }, new Date(start), new Date(start + 86_400_000), 10_000);
        const parts = Array.from({ length: 24 }, (_, hour) =>
          occurrencesBetween({ cron, timeZone }, new Date(start + hour * 3_600_000), new Date(start + (hour + 1) * 3_600_000), 10_000),
        ).flat();
        expect(parts).toEqual(whole);
      }),
      { numRuns: 60 },
    );
  });
});
