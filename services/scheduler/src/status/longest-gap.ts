import type { Schedule } from '../plans/schedule.js';
import { upcoming } from '../plans/upcoming.js';

/** Enough for the days of a week, and a holiday or two. */
const LOOKED_AT = 15;

/** The longest time without a backup that these schedules foresee from now on; null where they foresee none. */
export function longestGapMs(schedules: readonly Schedule[], now: Date): number | null {
  if (schedules.length === 0) return null;
  const times = schedules.map((schedule) => upcoming(schedule, now, LOOKED_AT));
  // Beyond the shortest of the looks the others alone would seem to be all.
  const end = Math.min(...times.map((of) => of.at(-1)!));
  const merged = [...new Set(times.flat())].filter((time) => time <= end).sort((a, b) => a - b);
  return merged.slice(1).reduce<number | null>((longest, time, index) => Math.max(longest ?? 0, time - merged[index]!), null);
}
