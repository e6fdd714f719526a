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

export const NO_HAZARDS: Hazards = { crash: 0, freeze: 0, fail: 0, loseAnswer: 0, hang: 0, landsWithinMs: 0, slow: 0 };

export type Operation = 'put' | 'get' | 'stat' | 'list' | 'remove';

/** At which call a machine is to stand still: the `nth` of those that match from now on. */
export interface StopPlace {
  nth: number;
  operation?: Operation;
  prefix?: string;
}

/** A process on a machine of its own: it may be suspended or die between any two calls, and its clock may be wrong. */
export class SimulatedMachine {
  dead = false;
  /** Name of the lease that it put last: what it works under. */
  lease: string | undefined;
  /** Of the storage, by its calls; those that came late aside. */
  changes = 0;
  /** Of packs. */
  fetchedBytes = 0;
  private readonly died = Promise.withResolvers<void>();
  private longestFreezeMs = 0;
  private frozenAtMs: number | undefined;
  private stalledMs = 0;
  private waiting: (() => void)[] = [];
  private planned: { place: StopPlace; stopped: () => void } | undefined;

  constructor(
    readonly timeline: Timeline,
    private readonly random: Random,
    readonly hazards: Hazards,
  ) {}

  readonly clock: Clock = ((machine: SimulatedMachine): Clock => {
    const skewMs = machine.random.between(-HOUR_MS, HOUR_MS);
    const monotonicMs = (): number => machine.timeline.nowMs - machine.stalledMs;
    return {
      now: () => new Date(machine.timeline.nowMs + skewMs),
      monotonicMs,
      after(ms, action) {
        const dueMs = monotonicMs() + ms;
        let calledOff = false;
        const fire = (): void => {
          if (calledOff) return;
          const leftMs = dueMs - monotonicMs();
          if (leftMs > 0) callOff = machine.timeline.after(leftMs, () => machine.deliver(fire));
          else action();
        };
        let callOff = machine.timeline.after(ms, () => machine.deliver(fire));
        return () => {
          calledOff = true;
          callOff();
        };
      },
    };
  })(this);

  /** Resolves when it has died. */
  get death(): Promise<void> {
    return this.died.promise;
  }

  /** Whether it once stood still for so long. */
  stoodStillFor(ms: number): boolean {
    const current = this.frozenAtMs === undefined ? 0 : this.timeline.nowMs - this.frozenAtMs;
    return Math.max(this.longestFreezeMs, current) >= ms;
  }

  /** What reaches the process: at once, when it wakes up, or never. */
  deliver(action: () => void): void {
    if (this.dead) return;
    if (this.frozenAtMs !== undefined) this.waiting.push(action);
    else action();
  }

  /** Called when a call is on its way. */
  called(operation: Operation, name: string): void {
    const { planned } = this;
    if (planned && !this.dead && matches(planned.place, operation, name) && --planned.place.nth === 0) {
      this.planned = undefined;
      this.freeze();
      planned.stopped();
    }
    this.mayFail();
  }

  /** Called when a call is on its way, and when its answer comes. */
  mayFail(): void {
    if (this.dead || this.frozenAtMs !== undefined) return;
    const { crash, freeze } = this.hazards;
    if (crash + freeze === 0) return;
    if (this.random.chance(crash)) this.die();
    else if (this.random.chance(freeze)) {
      this.freeze();
      this.timeline.after(this.random.between(MINUTE_MS, 4 * HOUR_MS), () => this.thaw());
    }
  }

  /** It will stand still where it is told, until it is thawed. Resolves when it does. */
  stopAt(place: StopPlace): Promise<void> {
    return new Promise((stopped) => (this.planned = { place: { ...place }, stopped }));
  }

  /** Goes on, and forgets where it was to stop. */
  thaw(): void {
    this.planned = undefined;
    if (this.frozenAtMs === undefined) return;
    const ms = this.timeline.nowMs - this.frozenAtMs;
    this.frozenAtMs = undefined;
    this.longestFreezeMs = Math.max(this.longestFreezeMs, ms);
    // Of a suspended virtual machine even the monotonic clock stands still, and timers wait for the rest of their time.
    if (this.random.chance(0.5)) this.stalledMs += ms;
    const due = this.waiting;
    this.waiting = [];
    due.forEach((action) => this.deliver(action));
  }

  die(): void {
    this.dead = true;
    this.died.resolve();
  }

  private freeze(): void {
    this.frozenAtMs ??= this.timeline.nowMs;
  }
}

function matches(place: StopPlace, operation: Operation, name: string): boolean {
  return (place.operation ?? operation) === operation && name.startsWith(place.prefix ?? '');
}

export const MINUTE_MS = 60_000;
export const HOUR_MS = 60 * MINUTE_MS;
