import type { Timeline } from './timeline.js';

/** What is known of each lease by the storage's time. */
export class KnownLeases {
  /** When each was renewed last; undefined of one that ran out or was removed, which protects nothing ever after. */
  private readonly renewedAtMs = new Map<string, number | undefined>();
  private readonly beganAtMs = new Map<string, number>();
  /** When each was put last, whatever became of it. */
  private readonly putAtMs = new Map<string, number>();
  private readonly runOut = new Set<string>();

  constructor(
    private readonly ttlMs: number,
    private readonly timeline: () => Timeline,
  ) {}

  stored(name: string): void {
    const { nowMs } = this.timeline();
    if (this.hasRunOut(name)) this.runOut.add(name);
    this.putAtMs.set(name, nowMs);
    const alive = !this.renewedAtMs.has(name) || this.isAlive(name);
    if (!this.beganAtMs.has(name)) this.beganAtMs.set(name, nowMs);
    this.renewedAtMs.set(name, alive ? nowMs : undefined);
  }

  removed(name: string): void {
    this.renewedAtMs.set(name, undefined);
  }

  /** 0 of none. */
  began(lease: string | undefined): number {
    return this.beganAtMs.get(lease ?? '') ?? 0;
  }

  /** Not renewed in time, once or now: other than one that was taken away. */
  hasRunOut(lease: string): boolean {
    const putAtMs = this.putAtMs.get(lease);
    if (this.runOut.has(lease)) return true;
    return putAtMs !== undefined && this.timeline().nowMs - putAtMs > this.ttlMs;
  }

  isAlive(lease: string): boolean {
    const renewedAtMs = this.renewedAtMs.get(lease);
    return renewedAtMs !== undefined && this.timeline().nowMs - renewedAtMs <= this.ttlMs;
  }
}
