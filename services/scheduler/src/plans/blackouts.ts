import { Weekday, type BlackoutWindow, type WeeklyWindow } from '@rahat/contracts';
import { firstInstantNotBefore, instantsOf, isTimeZone, wallClockAt } from './zoned-time.js';

const DAY = 86_400_000;
const MINUTE = 60_000;
/** Windows that follow upon each other for longer than this leave no time at all. */
const FURTHEST_MS = 32 * DAY;

/** Undefined when nothing is against `at`; else when the windows, which may adjoin, are over. Windows without an end within a month give `until: undefined`. */
export function blackoutAt(windows: readonly BlackoutWindow[], at: Date): { until: Date | undefined; reason: string } | undefined {
  let until = at.getTime();
  let reason: string | undefined;
  for (let grew = true; grew;) {
    grew = false;
    for (const window of windows) {
      const end = endOf(window, until);
      if (end === undefined) continue;
      reason ??= describe(window);
      until = end;
      grew = true;
      if (until - at.getTime() > FURTHEST_MS && window.kind === 'weekly') return { until: undefined, reason };
    }
  }
  return reason === undefined ? undefined : { until: new Date(until), reason };
}

/** JSON pointers below `/blackouts`. */
export function mistakesInWindows(windows: readonly BlackoutWindow[]): { pointer: string; message: string }[] {
  return windows.flatMap((window, index) =>
    window.kind === 'weekly' && !isTimeZone(window.timeZone)
      ? [{ pointer: `/blackouts/${index}/timeZone`, message: `'${window.timeZone}' is no time zone of the IANA database` }]
      : [],
  );
}

/** The end of the window's span that holds `instant`; its first moment is in it, its last one is not. */
function endOf(window: BlackoutWindow, instant: number): number | undefined {
  if (window.kind === 'dated') {
    const to = Date.parse(window.to);
    return Date.parse(window.from) <= instant && instant < to ? to : undefined;
  }
  const today = Math.floor(wallClockAt(instant, window.timeZone) / DAY) * DAY;
  const ends = [today - DAY, today]
    .filter((day) => window.days.includes(weekdayOf(day)))
    .map((day) => spanOn(window, day))
    .filter(({ from, to }) => from <= instant && instant < to)
    .map(({ to }) => to);
  return ends.length > 0 ? Math.max(...ends) : undefined;
}

/** A border that the clock skips lies where the clock goes on; of a doubled one the window takes all it can. */
function spanOn(window: WeeklyWindow, day: number): { from: number; to: number } {
  const [from, to] = [minutesOf(window.from), minutesOf(window.to)];
  const end = to > from ? day + to * MINUTE : day + DAY + to * MINUTE;
  return { from: edge(day + from * MINUTE, window.timeZone, 'first'), to: edge(end, window.timeZone, 'last') };
}

function edge(wallClock: number, timeZone: string, which: 'first' | 'last'): number {
  const instants = instantsOf(wallClock, timeZone);
  return (which === 'first' ? instants[0] : instants.at(-1)) ?? firstInstantNotBefore(wallClock, timeZone);
}

function weekdayOf(day: number): Weekday {
  return Weekday.options[(new Date(day).getUTCDay() + 6) % 7]!;
}

function minutesOf(time: string): number {
  const [hours, minutes] = time.split(':').map(Number) as [number, number];
  return hours * 60 + minutes;
}

function describe(window: BlackoutWindow): string {
  return window.kind === 'weekly'
    ? `${window.from}–${window.to} on ${window.days.join(', ')} (${window.timeZone})`
    : (window.reason ?? `${window.from} to ${window.to}`);
}
