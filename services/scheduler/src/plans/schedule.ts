import { RahatError } from '@rahat/contracts';
import { cronInWords, isHourly, mistakeInCron, wallClocksOf, type Language } from './cron.js';
import { firstInstantNotBefore, instantsOf, isTimeZone, wallClockAt } from './zoned-time.js';

/** When a plan is due: five-field cron, read on the wall clock of an IANA zone. */
export interface Schedule {
  cron: string;
  timeZone: string;
}

/** No zone repeats or skips more than this around one transition, the date line aside. */
const WIDEST_OVERLAP_MS = 3 * 3_600_000;

/** One entry per mistake; empty = the schedule is valid and has a next occurrence. */
export function mistakesIn(schedule: Schedule, now: Date): { pointer: '/cron' | '/timeZone'; message: string }[] {
  if (!isTimeZone(schedule.timeZone)) {
    return [{ pointer: '/timeZone', message: `'${schedule.timeZone}' is no time zone of the IANA database; for example Europe/Istanbul` }];
  }
  const mistake = mistakeInCron(schedule.cron);
  if (mistake !== undefined) return [{ pointer: '/cron', message: mistake }];
  try {
    nextOccurrences(schedule, now, 1);
    return [];
  } catch (error) {
    return [{ pointer: '/cron', message: error instanceof Error ? error.message : String(error) }];
  }
}

export function inWords(schedule: Schedule, language: Language = 'en'): string {
  return `${cronInWords(schedule.cron, language)} (${schedule.timeZone})`;
}

export function nextOccurrences(schedule: Schedule, after: Date, count: number): Date[] {
  const found: number[] = [];
  const hourly = isHourly(schedule.cron);
  for (const wallClock of wallClockTimes(schedule, after)) {
    // A doubled hour gives instants out of order: look on until nothing earlier can follow.
    if (found.length >= count && wallClock - WIDEST_OVERLAP_MS > wallClockAt(sorted(found)[count - 1]!, schedule.timeZone)) break;
    collect(found, instantsFor(wallClock, schedule.timeZone, hourly), after);
  }
  return sorted(found)
    .slice(0, count)
    .map((instant) => new Date(instant));
}

/** Occurrences after `after` up to and with `until`, at most `limit`. */
export function occurrencesBetween(schedule: Schedule, after: Date, until: Date, limit: number): Date[] {
  const found: number[] = [];
  const hourly = isHourly(schedule.cron);
  const end = wallClockAt(until.getTime(), schedule.timeZone) + WIDEST_OVERLAP_MS;
  for (const wallClock of wallClockTimes(schedule, after)) {
    if (wallClock > end || found.length >= limit * 2) break;
    collect(found, instantsFor(wallClock, schedule.timeZone, hourly), after);
  }
  return sorted(found)
    .filter((instant) => instant <= until.getTime())
    .slice(0, limit)
    .map((instant) => new Date(instant));
}

/** cron-parser runs on the wall clock without any zone; transitions are ours, because it loses those of half an hour. */
function* wallClockTimes(schedule: Schedule, after: Date): Generator<number> {
  const start = wallClockAt(after.getTime(), schedule.timeZone) - WIDEST_OVERLAP_MS;
  try {
    yield* wallClocksOf(schedule.cron, start);
  } catch (cause) {
    throw new RahatError('invalid_input', `'${schedule.cron}' never comes true`, { cause });
  }
}

/**
 * A skipped time runs at the next valid minute, a doubled one the first time only. A schedule of every hour
 * keeps its rhythm through a doubled hour, because a gap of two hours would be a hole in what can be restored.
 */
function instantsFor(wallClock: number, timeZone: string, hourly: boolean): number[] {
  const instants = instantsOf(wallClock, timeZone);
  if (instants.length === 0) return [firstInstantNotBefore(wallClock, timeZone)];
  return hourly ? instants : instants.slice(0, 1);
}

function collect(found: number[], instants: number[], after: Date): void {
  for (const instant of instants) if (instant > after.getTime() && !found.includes(instant, -200)) found.push(instant);
}

function sorted(instants: number[]): number[] {
  return [...instants].sort((a, b) => a - b);
}
