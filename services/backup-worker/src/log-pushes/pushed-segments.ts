import { type LogPushOrder, RahatError } from '@rahat/contracts';
import type { PushedSegment } from '@rahat/execution';
import { HeldSegment } from './held-segment.js';

/** A server pushes one after the other; more than a few that wait are repetitions of pushers that gave up. */
const MOST_WAITING = 16;

/** The segments that wait for this follower, in the order in which they came. They end with the signal. */
export class PushedSegments implements AsyncIterable<PushedSegment> {
  private readonly waiting: HeldSegment[] = [];
  private wake: () => void = () => undefined;

  constructor(private readonly ending: AbortSignal) {
    ending.addEventListener('abort', () => {
      for (const segment of this.waiting.splice(0)) segment.settle({ outcome: 'refused', error: stopping() });
      this.wake();
    });
  }

  /** Whoever is refused here tries again. */
  add(order: LogPushOrder): void {
    if (this.ending.aborted || this.waiting.length >= MOST_WAITING) return;
    this.waiting.push(new HeldSegment(order));
    this.wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<PushedSegment> {
    while (!this.ending.aborted) {
      const next = this.waiting.shift();
      // Who pushed it may have given up while it waited.
      if (next?.isAwaited) yield next;
      else if (!next) await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }
}

function stopping(): RahatError {
  return new RahatError('unavailable', 'The follower of this log is stopping', { hint: 'Another one takes over within a minute.' });
}
