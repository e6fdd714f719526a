import { nextOccurrences, type Schedule } from './schedule.js';

/** Thousands of plans share fewer schedules, and what these foresee stays true until it has passed. */
const REMEMBERED = 10_000;
const known = new Map<string, { from: number; times: number[] }>();

/** The same as `nextOccurrences`, in milliseconds, without reading the cron anew each time. */
export function upcoming(schedule: Schedule, after: Date, count: number): number[] {
  const key = `${schedule.cron} ${schedule.timeZone}`;
  const since = after.getTime();
  const found = known.get(key);
  if (found && found.from <= since) {
    const start = found.times.findIndex((time) => time > since);
    if (start >= 0 && found.times.length - start >= count) return found.times.slice(start, start + count);
  }
  const times = nextOccurrences(schedule, after, count * 2).map((time) => time.getTime());
  known.delete(key);
  if (known.size >= REMEMBERED) known.delete(known.keys().next().value!);
  known.set(key, { from: since, times });
  return times.slice(0, count);
}
