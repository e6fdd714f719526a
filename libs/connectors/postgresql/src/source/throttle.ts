/** How fast the source is read. `from`: as fast as it was read before it was slowed; there the bounds are forgotten again. */
export type Throttle =
  { state: 'free' } | { state: 'slowed'; bytesPerSecond: number; from: number } | { state: 'held'; resumeAt: number; from: number };

export interface Bound {
  name: string;
  /** What was measured, and what the plan bounds it by. */
  value: number;
  bound: number;
}

/** Beyond this much of its bound a value holds the backup up entirely. */
const HOLD_AT = 2;
/** Below this much of all bounds the backup is read faster again; between them it stays as it is, so that it doesn't swing. */
const RAISE_BELOW = 0.8;
const RAISE_BY = 1.25;
const GENTLEST_CUT = 0.8;
const HARDEST_CUT = 0.5;
/** A snapshot that goes no faster than this is held for nothing. */
export const SLOWEST_BYTES_PER_SECOND = 64 * 1024;

/** The bound that is passed furthest, or neared most. */
export function tightest(bounds: readonly Bound[]): Bound | undefined {
  return bounds.reduce<Bound | undefined>((most, bound) => (most && pressureOf(most) >= pressureOf(bound) ? most : bound), undefined);
}

/** `bytesPerSecond`: what passed since the last look. Multiplicative both ways, because nobody knows what the source bears. */
export function nextThrottle(now: Throttle, worst: Bound | undefined, bytesPerSecond: number): Throttle {
  const pressure = worst ? pressureOf(worst) : 0;
  const from = now.state === 'free' ? Math.max(bytesPerSecond, SLOWEST_BYTES_PER_SECOND) : now.from;
  switch (now.state) {
    case 'free':
      if (pressure <= 1) return now;
      return pressure >= HOLD_AT ? { state: 'held', resumeAt: atLeastSlowest(from / 2), from } : slowed(from * cut(pressure), from);
    case 'slowed': {
      if (pressure >= HOLD_AT) return { state: 'held', resumeAt: atLeastSlowest(now.bytesPerSecond / 2), from };
      // Where the source itself is slower than we would let it be, a cut from our limit would change nothing.
      if (pressure > 1) return slowed(Math.min(now.bytesPerSecond, atLeastSlowest(bytesPerSecond)) * cut(pressure), from);
      if (pressure > RAISE_BELOW) return now;
      const raised = now.bytesPerSecond * RAISE_BY;
      return raised > from ? { state: 'free' } : slowed(raised, from);
    }
    case 'held':
      return pressure > 1 ? now : slowed(now.resumeAt, from);
  }
}

function pressureOf({ value, bound }: Bound): number {
  return value / bound;
}

function slowed(bytesPerSecond: number, from: number): Throttle {
  return { state: 'slowed', bytesPerSecond: atLeastSlowest(bytesPerSecond), from };
}

function atLeastSlowest(bytesPerSecond: number): number {
  return Math.max(SLOWEST_BYTES_PER_SECOND, Math.round(bytesPerSecond));
}

/** Just over its bound a gentle one; near the hold half. */
function cut(pressure: number): number {
  const share = Math.min(1, (pressure - 1) / (HOLD_AT - 1));
  return GENTLEST_CUT - share * (GENTLEST_CUT - HARDEST_CUT);
}
