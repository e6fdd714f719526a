/** The scheduler's only source of time, so that tests can turn it. */
export interface Clock {
  now(): Date;
  /** Milliseconds that no one can set back. */
  monotonicMs(): number;
}

export const systemClock: Clock = { now: () => new Date(), monotonicMs: () => performance.now() };
