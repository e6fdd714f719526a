import { RahatError } from '@rahat/contracts';
import { CronExpressionParser } from 'cron-parser';
import cronstrue from 'cronstrue';
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
  const fields = schedule.cron.trim().split(/\s+/);
  if (fields.length !== 5)
    return [{ pointer: '/cron', message: 'five fields are needed: minute hour day month weekday, for example 0 3 * * *' }];
  // `H` picks a random value, so that the ledger and the interface would disagree about it.
  if (fields.some((field) => field.split(',').some((item) => /^H([(/]|$)/i.test(item))))
    return [{ pointer: '/cron', message: 'H is not supported' }];
  try {
    nextOccurrences(schedule, now, 1);
    return [];
  } catch (error) {
    return [{ pointer: '/cron', message: error instanceof Error ? error.message : String(error) }];
  }
}

export function inWords(schedule: Schedule): string {
  return `${cronstrue.toString(schedule.cron, { use24HourTimeFormat: true })} (${schedule.timeZone})`;
}

export function nextOccurrences(schedule: Schedule, after: Date, count: number): Date[] {
  const found: number[] = [];
  for (const wallClock of wallClockTimes(schedule, after)) {
    // A doubled hour gives instants out of order: look on until nothing earlier can follow.
    if (found.length >= count && wallClock - WIDEST_OVERLAP_MS > wallClockAt(sorted(found)[count - 1]!, schedule.timeZone)) break;
    collect(found, instantsFor(wallClock, schedule), after);
  }
  return sorted(found)
    .slice(0, count)
    .map((instant) => new Date(instant));
}

/** Occurrences after `after` up to and with `until`, at most `limit`. */
export function occurrencesBetween(schedule: Schedule, after: Date, until: Date, limit: number): Date[] {
  const found: number[] = [];
  const end = wallClockAt(until.getTime(), schedule.timeZone) + WIDEST_OVERLAP_MS;
  for (const wallClock of wallClockTimes(schedule, after)) {
    if (wallClock > end || found.length >= limit * 2) break;
    collect(found, instantsFor(wallClock, schedule), after);
  }
  return sorted(found)
    .filter((instant) => instant <= until.getTime())
    .slice(0, limit)
    .map((instant) => new Date(instant));
}

/** cron-parser runs on the wall clock without any zone; transitions are ours, because it loses those of half an hour. */
function* wallClockTimes(schedule: Schedule, after: Date): Generator<number> {
  const start = wallClockAt(after.getTime(), schedule.timeZone) - WIDEST_OVERLAP_MS;
  const interval = CronExpressionParser.parse(schedule.cron, { tz: 'UTC', currentDate: new Date(start) });
  try {
    for (;;) yield interval.next().getTime();
  } catch (cause) {
    throw new RahatError('invalid_input', `'${schedule.cron}' never comes true`, { cause });
  }
}

/**
 * A skipped time runs at the next valid minute, a doubled one the first time only. A schedule of every hour
 * keeps its rhythm through a doubled hour, because a gap of two hours would be a hole in what can be restored.
 */
function instantsFor(wallClock: number, schedule: Schedule): number[] {
  const instants = instantsOf(wallClock, schedule.timeZone);
  if (instants.length === 0) return [firstInstantNotBefore(wallClock, schedule.timeZone)];
  const everyHour = schedule.cron.trim().split(/\s+/)[1] === '*';
  return everyHour ? instants : instants.slice(0, 1);
}

function collect(found: number[], instants: number[], after: Date): void {
  for (const instant of instants) if (instant > after.getTime() && !found.includes(instant, -200)) found.push(instant);
}

function sorted(instants: number[]): number[] {
  return [...instants].sort((a, b) => a - b);
}
