export interface Charge {
  /** Whose requests are counted, and as what. */
  key: string;
  windowSeconds: number;
}

export interface Count {
  /** Requests in the window, this one included. */
  used: number;
  /** Until the window ends, more than 0. */
  resetSeconds: number;
}

/** Counts requests in fixed windows, each of which begins with its first request. */
export interface LimitCounter {
  /** One count for each charge, in their order; no key twice. */
  take(charges: readonly Charge[]): Promise<Count[]>;
}
