import { wallClockAt } from '../plans/zoned-time.js';

export const PERIODS = ['year', 'month', 'week', 'day', 'hour'] as const;
export type Period = (typeof PERIODS)[number];

/** An instant on the wall clock of a zone; asked once, for all periods. */
export interface LocalTime {
  wallMs: number;
  offsetMs: number;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** 1970-01-01 was a Thursday; weeks begin on Monday (ISO 8601). */
const DAYS_TO_MONDAY = 3;

export function localTimeAt(at: Date, timeZone: string): LocalTime {
  const instant = Math.floor(at.getTime() / 1000) * 1000;
  const wallMs = wallClockAt(instant, timeZone);
  return { wallMs, offsetMs: wallMs - instant };
}

/** The same for all times of one period, and for no time of another. The two hours that a clock shows twice are two. */
export function periodOf({ wallMs, offsetMs }: LocalTime, period: Period): string {
  switch (period) {
    case 'hour':
      return `${Math.floor(wallMs / HOUR_MS)} ${offsetMs}`;
    case 'day':
      return String(Math.floor(wallMs / DAY_MS));
    case 'week':
      return String(Math.floor((wallMs / DAY_MS + DAYS_TO_MONDAY) / 7));
    case 'month':
      return isoOf(wallMs).slice(0, 7);
    case 'year':
      return isoOf(wallMs).slice(0, 4);
  }
}

/** As people write it. */
export function periodName({ wallMs }: LocalTime, period: Period): string {
  switch (period) {
    case 'hour':
      return `${isoOf(wallMs).slice(0, 13).replace('T', ' ')}:00`;
    case 'day':
      return isoOf(wallMs).slice(0, 10);
    case 'week':
      return `the week of ${isoOf(Math.floor((wallMs / DAY_MS + DAYS_TO_MONDAY) / 7) * 7 * DAY_MS - DAYS_TO_MONDAY * DAY_MS).slice(0, 10)}`;
    case 'month':
      return isoOf(wallMs).slice(0, 7);
    case 'year':
      return isoOf(wallMs).slice(0, 4);
  }
}

function isoOf(wallMs: number): string {
  return new Date(wallMs).toISOString();
}
