/** So much of a second's bytes may pass at once after the source was slow; more would be a burst. */
const BURST_SECONDS = 0.1;
/** Shorter waits are left to the next piece: a timer costs more than it slows. */
const SHORTEST_WAIT_MS = 5;

/** Lets bytes through no faster than its limit, which may change while somebody waits; the source waits with them. */
export class Pace {
  /** All that passed. */
  bytes = 0;
  private limit: number | undefined;
  private balance = 0;
  private settledAt = performance.now();
  private readonly waiting = new Set<() => void>();

  /** Bytes per second; 0 = nothing passes, undefined = everything does. */
  constructor(limit?: number) {
    this.limit = limit;
  }

  change(limit: number | undefined): void {
    this.settle();
    this.limit = limit;
    this.balance = Math.min(this.balance, 0);
    for (const wake of this.waiting) wake();
  }

  /** Rejects with the signal's reason when it is aborted meanwhile. */
  async *through(stream: AsyncIterable<Buffer>, signal: AbortSignal): AsyncGenerator<Buffer> {
    for await (const chunk of stream) {
      await this.passed(chunk.length, signal);
      yield chunk;
    }
  }

  /** So much has come: waits until it may be handed on. */
  async passed(bytes: number, signal: AbortSignal): Promise<void> {
    this.bytes += bytes;
    this.settle();
    this.balance -= bytes;
    for (let waitMs = this.missingMs(); waitMs > SHORTEST_WAIT_MS; waitMs = this.missingMs()) {
      await this.wait(waitMs, signal);
      this.settle();
    }
  }

  private missingMs(): number {
    if (this.limit === undefined) return 0;
    return this.limit === 0 ? Infinity : (-this.balance / this.limit) * 1000;
  }

  private settle(): void {
    const now = performance.now();
    const earned = this.limit === undefined ? Infinity : (this.limit * (now - this.settledAt)) / 1000;
    this.balance = this.limit === undefined ? 0 : Math.min(this.balance + earned, this.limit * BURST_SECONDS);
    this.settledAt = now;
  }

  private wait(ms: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const aborted = (): void => reject(signal.reason as Error);
    const timer = Number.isFinite(ms) ? setTimeout(resolve, ms) : undefined;
    signal.addEventListener('abort', aborted, { once: true });
    if (signal.aborted) aborted();
    this.waiting.add(resolve);
    return promise.finally(() => {
      clearTimeout(timer);
      signal.removeEventListener('abort', aborted);
      this.waiting.delete(resolve);
    });
  }
}
