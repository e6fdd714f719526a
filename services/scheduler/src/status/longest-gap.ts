import { nextOccurrences, type Schedule } from '../plans/schedule.js';

/** Enough for the days of a week, and a holiday or two. */
const LOOKED_AT = 15;
const REMEMBERED = 500;
const known = new Map<string, number[]>();

/** The longest time without a backup that these schedules foresee from now on; null where they foresee none. */
export function longestGapMs(schedules: readonly Schedule[], now: Date): number | null {
  if (schedules.length === 0) return null;
  const times = schedules.map((schedule) => occurrencesFrom(schedule, now));
  // Beyond the shortest of the looks the others alone would seem to be all.
  const end = Math.min(...times.map((of) => of.at(-1)!));
  const merged = [...new Set(times.flat())].filter((time) => time <= end).sort((a, b) => a - b);
  return merged.slice(1).reduce<number | null>((longest, time, index) => Math.max(longest ?? 0, time - merged[index]!), null);
}

/** Thousands of plans share a few schedules, and what they foresee is the same for the whole day. */
function occurrencesFrom({ cron, timeZone }: Schedule, now: Date): number[] {
  const day = new Date(now);
  day.setUTCHours(0, 0, 0, 0);
  const key = `${cron} ${timeZone} ${day.getTime()}`;
  const found = known.get(key) ?? nextOccurrences({ cron, timeZone }, day, LOOKED_AT).map((time) => time.getTime());
  if (known.size >= REMEMBERED) known.clear();
  known.set(key, found);
  return found;
}
