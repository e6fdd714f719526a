import { describe, expect, it } from '@jest/globals';
import { longestGapMs } from './longest-gap.js';

const HOUR_MS = 3_600_000;
const now = new Date('2026-11-27T12:00:00Z');
const gap = (...crons: string[]) => {
  const longest = longestGapMs(
    crons.map((cron) => ({ cron, timeZone: 'UTC' })),
    now,
  );
  return longest === null ? null : longest / HOUR_MS;
};

describe('the longest gap between backups', () => {
  it.each<[string[], number | null]>([
    [['0 3 * * *'], 24],
    [['0 * * * *'], 1],
    [['0 3 * * 1-5'], 72],
    [['0 3 * * *', '0 15 * * *'], 12],
    [['0 3 * * 0', '0 * * * *'], 1],
    [[], null],
  ])('of %j is %p hours', (crons, hours) => expect(gap(...crons)).toBe(hours));
});
