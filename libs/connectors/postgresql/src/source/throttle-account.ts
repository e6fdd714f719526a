import type { ThrottleFacts } from '@rahat/contracts';
import type { Throttle } from './throttle.js';

/** What the bounds cost, counted by time. */
export class ThrottleAccount {
  private slowedMs = 0;
  private heldMs = 0;
  private lowest = Infinity;
  private readonly by = new Set<string>();
  /** Since when it is held, without a break. */
  private heldSinceMs: number | undefined;
  private state: Throttle['state'] = 'free';

  constructor(private atMs: number) {}

  /** From now on. `by`: the bound that decided. */
  enter(throttle: Throttle, by: string | undefined, nowMs: number): void {
    this.settle(nowMs);
    if (throttle.state === 'slowed') this.lowest = Math.min(this.lowest, throttle.bytesPerSecond);
    if (throttle.state === 'held') this.lowest = 0;
    if (throttle.state !== 'free' && throttle.state !== this.state && by !== undefined) this.by.add(by);
    this.heldSinceMs = throttle.state === 'held' ? (this.heldSinceMs ?? nowMs) : undefined;
    this.state = throttle.state;
  }

  heldForMs(nowMs: number): number {
    return this.heldSinceMs === undefined ? 0 : nowMs - this.heldSinceMs;
  }

  facts(nowMs: number): ThrottleFacts {
    this.settle(nowMs);
    return {
      throttledSeconds: seconds(this.slowedMs + this.heldMs),
      heldSeconds: seconds(this.heldMs),
      ...(this.lowest === Infinity ? {} : { lowestBytesPerSecond: this.lowest }),
      by: [...this.by],
    };
  }

  private settle(nowMs: number): void {
    if (this.state === 'slowed') this.slowedMs += nowMs - this.atMs;
    if (this.state === 'held') this.heldMs += nowMs - this.atMs;
    this.atMs = nowMs;
  }
}

function seconds(ms: number): number {
  return Math.round(ms / 100) / 10;
}
