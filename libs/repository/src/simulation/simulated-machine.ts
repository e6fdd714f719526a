import type { Clock } from '../context.js';
import type { Random } from './random.js';
import type { Timeline } from './timeline.js';

/** How often what goes wrong; probabilities for each call of the storage. */
export interface Hazards {
  crash: number;
  freeze: number;
  /** The call fails without effect. */
  fail: number;
  /** It takes effect, and its answer is lost. */
  loseAnswer: number;
  /** No answer ever comes; a put lands up to this much later. */
  hang: number;
  landsWithinMs: number;
  /** It takes up to a minute. */
  slow: number;
}

/** A process on a machine of its own: it may be suspended or die between any two calls, and its clock may be wrong. */
export class SimulatedMachine {
  dead = false;
  onDeath: () => void = () => undefined;
  /** Longest time that it stood still. */
  longestFreezeMs = 0;
  private frozenUntilMs = 0;
  private stalledMs = 0;
  private waiting: (() => void)[] = [];

  constructor(
    readonly timeline: Timeline,
    private readonly random: Random,
    readonly hazards: Hazards,
  ) {}

  readonly clock: Clock = ((machine: SimulatedMachine): Clock => {
    const skewMs = machine.random.between(-HOUR_MS, HOUR_MS);
    return {
      now: () => new Date(machine.timeline.nowMs + skewMs),
      monotonicMs: () => machine.timeline.nowMs - machine.stalledMs,
      after(ms, action) {
        let calledOff = false;
        machine.timeline.after(ms, () => !calledOff && machine.deliver(action));
        return () => (calledOff = true);
      },
    };
  })(this);

  /** What reaches the process: at once, when it wakes up, or never. */
  deliver(action: () => void): void {
    if (this.dead) return;
    if (this.timeline.nowMs < this.frozenUntilMs) this.waiting.push(action);
    else action();
  }

  /** Called around each call of the storage. */
  mayFail(): void {
    if (this.dead || this.timeline.nowMs < this.frozenUntilMs) return;
    if (this.random.chance(this.hazards.crash)) this.die();
    else if (this.random.chance(this.hazards.freeze)) this.freeze(this.random.between(MINUTE_MS, 4 * HOUR_MS));
  }

  private die(): void {
    this.dead = true;
    this.onDeath();
  }

  private freeze(ms: number): void {
    this.frozenUntilMs = this.timeline.nowMs + ms;
    this.longestFreezeMs = Math.max(this.longestFreezeMs, ms);
    // Of a suspended virtual machine even the monotonic clock stands still.
    if (this.random.chance(0.5)) this.stalledMs += ms;
    this.timeline.after(ms, () => {
      const due = this.waiting;
      this.waiting = [];
      due.forEach((action) => this.deliver(action));
    });
  }
}

export const MINUTE_MS = 60_000;
export const HOUR_MS = 60 * MINUTE_MS;
