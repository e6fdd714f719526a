/** Lets pieces of data through one by one, or, while paused, none: whoever pulls waits, and the source with them. */
export class PauseGate {
  private opening: PromiseWithResolvers<void> | undefined;

  get paused(): boolean {
    return this.opening !== undefined;
  }

  pause(): void {
    this.opening ??= Promise.withResolvers();
  }

  resume(): void {
    this.opening?.resolve();
    this.opening = undefined;
  }

  /** Waits while paused. Rejects with the signal's reason when it is aborted meanwhile. */
  async opened(signal: AbortSignal): Promise<void> {
    if (this.opening) await openedOrAborted(this.opening.promise, signal);
  }

  /** Ends as `opened` does. */
  async *through<T>(pieces: AsyncIterable<T>, signal: AbortSignal): AsyncIterable<T> {
    for await (const piece of pieces) {
      await this.opened(signal);
      yield piece;
    }
  }
}

async function openedOrAborted(opened: Promise<void>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason as Error);
  signal.addEventListener('abort', abort, { once: true });
  try {
    await Promise.race([opened, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
