import type { Charge, Count, LimitCounter } from './limit-counter.js';
import { MemoryCounter } from './memory-counter.js';

/** A request never waits longer for what is only a limit. */
const DEADLINE_MS = 50;
/** So long nobody asks again what did not answer. */
const PAUSE_MS = 1_000;

export interface CounterReports {
  /** The shared counter has just stopped to answer. */
  away(error: unknown): void;
  back(): void;
  /** A request was counted by this process alone. */
  countedAlone(): void;
}

/** Counts with the other gateways while that works, else in this process; no request is refused or kept waiting because it doesn't. */
export class PatientCounter implements LimitCounter {
  private readonly own: MemoryCounter;
  private pausedUntil = 0;
  private isAway = false;

  constructor(
    private readonly shared: LimitCounter,
    private readonly reports: CounterReports,
    private readonly now: () => number = Date.now,
  ) {
    this.own = new MemoryCounter(now);
  }

  async take(charges: readonly Charge[]): Promise<Count[]> {
    if (this.now() >= this.pausedUntil) {
      try {
        const counts = await inTime(this.shared.take(charges));
        if (this.isAway) this.reports.back();
        this.isAway = false;
        return counts;
      } catch (error) {
        this.pausedUntil = this.now() + PAUSE_MS;
        if (!this.isAway) this.reports.away(error);
        this.isAway = true;
      }
    }
    this.reports.countedAlone();
    return this.own.take(charges);
  }
}

function inTime<T>(work: Promise<T>): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const timer = setTimeout(() => reject(new Error(`no answer in ${DEADLINE_MS} ms`)), DEADLINE_MS);
  work.then(resolve, reject);
  return promise.finally(() => clearTimeout(timer));
}
