import type { Charge, Count, LimitCounter } from './limit-counter.js';

/** So many windows are kept at most; the oldest is forgotten first. */
const MOST_WINDOWS = 50_000;

/** For the only gateway of an installation, and for one that cannot reach what it shares with the others. */
export class MemoryCounter implements LimitCounter {
  private readonly windows = new Map<string, { endsAt: number; used: number }>();

  constructor(private readonly now: () => number = Date.now) {}

  async take(charges: readonly Charge[]): Promise<Count[]> {
    const now = this.now();
    return charges.map((charge) => this.count(charge, now));
  }

  private count({ key, windowSeconds }: Charge, now: number): Count {
    let window = this.windows.get(key);
    if (window === undefined || window.endsAt <= now) {
      window = { endsAt: now + windowSeconds * 1000, used: 0 };
      // Re-inserted at the end, so that the map's order is the order of windows.
      this.windows.delete(key);
      this.windows.set(key, window);
      this.forgetOldest();
    }
    window.used += 1;
    return { used: window.used, resetSeconds: Math.ceil((window.endsAt - now) / 1000) };
  }

  private forgetOldest(): void {
    if (this.windows.size <= MOST_WINDOWS) return;
    const oldest = this.windows.keys().next().value;
    if (oldest !== undefined) this.windows.delete(oldest);
  }
}
