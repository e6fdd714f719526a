import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { nextThrottle, SLOWEST_BYTES_PER_SECOND, tightest, type Bound, type Throttle } from './throttle.js';

const MB = 1e6;
const lag = (value: number): Bound => ({ name: 'replicaLagSeconds', value, bound: 10 });
const slowed = (bytesPerSecond: number, from = 50 * MB): Throttle => ({ state: 'slowed', bytesPerSecond, from });
const held = (resumeAt: number, from = 50 * MB): Throttle => ({ state: 'held', resumeAt, from });
const FREE: Throttle = { state: 'free' };

describe('the throttle', () => {
  it.each<[string, Throttle, number, number, Throttle]>([
    ['stays free at its bound', FREE, 10, 50 * MB, FREE],
    ['cuts gently just beyond it', FREE, 10.1, 50 * MB, slowed(39.85 * MB)],
    ['cuts harder further beyond it', FREE, 15, 50 * MB, slowed(32.5 * MB)],
    ['holds far beyond it', FREE, 20, 50 * MB, held(25 * MB)],
    ['cuts from what really passes', slowed(40 * MB), 15, 10 * MB, slowed(6.5 * MB)],
    ['holds what was slowed already', slowed(8 * MB), 30, 8 * MB, held(4 * MB)],
    ['stays where it is near the bound', slowed(8 * MB), 9, 8 * MB, slowed(8 * MB)],
    ['is raised below it', slowed(8 * MB), 5, 8 * MB, slowed(10 * MB)],
    ['is free again where it was slowed', slowed(45 * MB), 5, 45 * MB, FREE],
    ['holds until the bound is kept', held(4 * MB), 10.1, 0, held(4 * MB)],
    ['goes on slowly after a hold', held(4 * MB), 10, 0, slowed(4 * MB)],
    ['never goes slower than makes sense', slowed(SLOWEST_BYTES_PER_SECOND), 19, 10, slowed(SLOWEST_BYTES_PER_SECOND)],
  ])('%s', (_, now, value, passing, expected) => {
    expect(nextThrottle(now, lag(value), passing)).toEqual(expected);
  });

  it('is free without any bound', () => {
    expect(nextThrottle(FREE, undefined, MB)).toEqual(FREE);
    expect(nextThrottle(held(4 * MB), undefined, 0)).toEqual(slowed(4 * MB));
  });

  it('looks at what is nearest to its bound, or furthest beyond', () => {
    expect(tightest([lag(5), { name: 'lockWaits', value: 3, bound: 4 }, { name: 'ioWaitShare', value: 0.1, bound: 0.5 }])?.name).toBe(
      'lockWaits',
    );
    expect(tightest([])).toBeUndefined();
  });

  /** A standby that replays so many bytes a second; what we read beyond that makes it lag, and it catches up with the rest. */
  it('keeps a source near its bound that bears only a part of what it could give, and frees one that has recovered', () => {
    fc.assert(
      fc.property(fc.double({ min: 1, max: 40, noNaN: true }), (bears) => {
        let throttle: Throttle = FREE;
        let behind = 0;
        const seen: number[] = [];
        const look = (bearsNow: number): void => {
          const reads = throttle.state === 'free' ? 50 : throttle.state === 'held' ? 0 : throttle.bytesPerSecond / MB;
          behind = Math.max(0, behind + ((reads - bearsNow) / bearsNow) * 2);
          throttle = nextThrottle(throttle, lag(behind), reads * MB);
          seen.push(behind);
        };
        for (let looks = 0; looks < 600; looks++) look(bears);
        // The first answer comes late by one look; afterwards it stays within a few.
        expect(Math.max(...seen.slice(300))).toBeLessThan(30);
        for (let looks = 0; looks < 100; looks++) look(1_000);
        expect(throttle).toEqual(FREE);
      }),
    );
  });
});
