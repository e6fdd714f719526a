import { isHourly, wallClocksOf } from './cron.js';
import type { Schedule } from './schedule.js';
import { firstInstantNotBefore, instantsOf, wallClockAt } from './zoned-time.js';

const MINUTE = 60_000;
const STEP_MS = 6 * 3_600_000;

/** A change of the zone's clock that the schedule meets, and what happens to its time then. */
export interface MetClockChange {
  kind: 'skipped' | 'doubled';
  /** The time on the wall clock, `2027-03-28 02:30`, that doesn't exist or exists twice. */
  wallClock: string;
  /** When the schedule comes true in its place. */
  runsAt: Date[];
}

/** The times of `schedule` that a change of the clock hits until `until`; those of one change stand together. */
export function metClockChanges(schedule: Schedule, after: Date, until: Date, limit = 10): MetClockChange[] {
  const met: MetClockChange[] = [];
  const hourly = isHourly(schedule.cron);
  for (const { from, to } of changedWallClocks(schedule.timeZone, after.getTime(), until.getTime())) {
    for (const wallClock of wallClocksWithin(schedule.cron, from, to)) {
      const instants = instantsOf(wallClock, schedule.timeZone);
      if (instants.length === 1) continue;
      const kind = instants.length === 0 ? 'skipped' : 'doubled';
      const runs = kind === 'skipped' ? [firstInstantNotBefore(wallClock, schedule.timeZone)] : hourly ? instants : instants.slice(0, 1);
      met.push({ kind, wallClock: readable(wallClock), runsAt: runs.map((instant) => new Date(instant)) });
      if (met.length === limit) return met;
    }
  }
  return met;
}

/** Spans of wall clock around each change of the zone's offset: one that is jumped over, or one that is shown twice. */
function* changedWallClocks(timeZone: string, after: number, until: number): Generator<{ from: number; to: number }> {
  for (let start = after; start < until; start += STEP_MS) {
    const before = offsetAt(start, timeZone);
    const later = offsetAt(start + STEP_MS, timeZone);
    if (before === later) continue;
    const change = firstWithOtherOffset(start, start + STEP_MS, timeZone);
    const ends = [change + before, change + later];
    yield { from: Math.min(...ends), to: Math.max(...ends) };
  }
}

function* wallClocksWithin(cron: string, from: number, to: number): Generator<number> {
  try {
    for (const wallClock of wallClocksOf(cron, from - 1)) {
      if (wallClock >= to) return;
      yield wallClock;
    }
  } catch {
    // Nothing of it comes true any more.
  }
}

function firstWithOtherOffset(before: number, after: number, timeZone: string): number {
  const offset = offsetAt(before, timeZone);
  let [low, high] = [Math.floor(before / MINUTE), Math.ceil(after / MINUTE)];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (offsetAt(middle * MINUTE, timeZone) === offset) low = middle;
    else high = middle;
  }
  return high * MINUTE;
}

function offsetAt(instant: number, timeZone: string): number {
  const whole = Math.floor(instant / MINUTE) * MINUTE;
  return wallClockAt(whole, timeZone) - whole;
}

function readable(wallClock: number): string {
  return new Date(wallClock).toISOString().slice(0, 16).replace('T', ' ');
}
