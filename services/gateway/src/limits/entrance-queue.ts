import { RahatError } from '@rahat/contracts';
import type { Response } from 'express';

const LONGEST_WAIT_MS = 5_000;
const MOST_WAITING = 64;

/** A password is hashed at great cost on purpose: only so many tries are under way at once, so that they leave room for everything else. */
export class EntranceQueue {
  private inside = 0;
  private readonly waiting = new Set<() => void>();

  constructor(
    private readonly most: number,
    private readonly longestWaitMs = LONGEST_WAIT_MS,
  ) {}

  /** Resolves when it is this request's turn, which ends with its answer. */
  async enter(response: Response): Promise<void> {
    if (this.inside >= this.most) await this.turn(response);
    else this.inside += 1;
    if (response.closed) return this.leave();
    response.once('close', () => this.leave());
  }

  private async turn(response: Response): Promise<void> {
    if (this.waiting.size >= MOST_WAITING) throw crowded(response);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const giveUp = () => {
      if (this.waiting.delete(resolve)) reject(crowded(response));
    };
    this.waiting.add(resolve);
    const timer = setTimeout(giveUp, this.longestWaitMs);
    response.once('close', giveUp);
    await promise.finally(() => {
      clearTimeout(timer);
      response.off('close', giveUp);
    });
  }

  /** The place goes on to who waits longest. */
  private leave(): void {
    const [next] = this.waiting;
    if (next === undefined) {
      this.inside -= 1;
      return;
    }
    this.waiting.delete(next);
    next();
  }
}

function crowded(response: Response): RahatError {
  if (!response.headersSent) response.setHeader('Retry-After', '2');
  return new RahatError('unavailable', 'Too many log-ins are under way.', { hint: 'Try again in a moment.' });
}
