const MINUTE = 60_000;
const formatters = new Map<string, Intl.DateTimeFormat>();

/** True for names of the IANA database; offsets such as `+03:00` know no daylight saving and are refused. */
export function isTimeZone(zone: string): boolean {
  if (!/^[A-Za-z]/.test(zone)) return false;
  try {
    formatterOf(zone);
    return true;
  } catch {
    return false;
  }
}

/** The instant's local wall clock, written as if it were UTC. */
export function wallClockAt(instant: number, zone: string): number {
  const parts: Record<string, number> = {};
  for (const part of formatterOf(zone).formatToParts(instant)) {
    if (part.type !== 'literal') parts[part.type] = Number(part.value);
  }
  return Date.UTC(parts.year!, parts.month! - 1, parts.day!, parts.hour!, parts.minute!, parts.second!);
}

/** Every instant at which the wall clock shows this time: one as a rule, two in a doubled hour, none in a skipped one. */
export function instantsOf(wallClock: number, zone: string): number[] {
  const instants = new Set<number>();
  for (const offset of offsetsAround(wallClock, zone)) {
    if (wallClockAt(wallClock - offset, zone) === wallClock) instants.add(wallClock - offset);
  }
  return [...instants].sort((a, b) => a - b);
}

/** The first instant at which the wall clock shows `wallClock` or, where that was skipped, a later time. */
export function firstInstantNotBefore(wallClock: number, zone: string): number {
  const offsets = offsetsAround(wallClock, zone);
  let before = wallClock - Math.max(...offsets) - MINUTE;
  let after = wallClock - Math.min(...offsets) + MINUTE;
  while (after - before > MINUTE) {
    const middle = before + Math.floor((after - before) / MINUTE / 2) * MINUTE;
    if (wallClockAt(middle, zone) >= wallClock) after = middle;
    else before = middle;
  }
  return after;
}

/** A day to each side reaches over any transition, the date line's included. */
function offsetsAround(wallClock: number, zone: string): number[] {
  const day = 26 * 60 * MINUTE;
  return [wallClock - day, wallClock + day].map((instant) => wallClockAt(instant, zone) - instant);
}

function formatterOf(zone: string): Intl.DateTimeFormat {
  let formatter = formatters.get(zone);
  if (!formatter) {
    formatter = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
    formatters.set(zone, formatter);
  }
  return formatter;
}
