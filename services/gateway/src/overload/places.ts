import { RahatError } from '@rahat/contracts';
import type { Response } from 'express';

export interface PlaceRules {
  /** Requests that are under way at once. */
  most: number;
  /** … of one client, and the same share of those that wait; default: as many as there are. */
  mostOfOne?: number;
  mostWaiting: number;
  longestWaitMs: number;
  /** What there is too much of. */
  what: string;
}

interface Waiting {
  client: string;
  enter: () => void;
}

/** Those who are sent away shall not all be back in the same second. */
const COME_BACK_AFTER_SECONDS = [2, 3, 4, 5];

/** So many requests are under way at once; a few more wait for a moment, and the others are sent away before they cost anything. */
export class Places {
  private taken = 0;
  private readonly takenBy = new Map<string, number>();
  private readonly line = new Set<Waiting>();
  private sentAway = 0;

  constructor(
    private readonly rules: PlaceRules,
    private readonly refused: () => void = () => undefined,
  ) {}

  get inFlight(): number {
    return this.taken;
  }

  get waiting(): number {
    return this.line.size;
  }

  /** Resolves when it is this request's turn. The place is given back with its answer, or as soon as nobody waits for that any more. */
  async enter(client: string, response: Response): Promise<void> {
    if (this.isFreeFor(client)) this.take(client);
    else await this.turn(client, response);
    if (response.closed) {
      this.leave(client);
      throw gone();
    }
    response.once('close', () => this.leave(client));
  }

  private async turn(client: string, response: Response): Promise<void> {
    if (!this.mayWait(client)) throw this.sendAway(response);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiting: Waiting = { client, enter: resolve };
    const giveUp = (because: () => RahatError) => {
      if (this.line.delete(waiting)) reject(because());
    };
    const leave = () => giveUp(gone);
    this.line.add(waiting);
    const timer = setTimeout(giveUp, this.rules.longestWaitMs, () => this.sendAway(response));
    response.once('close', leave);
    await promise.finally(() => {
      clearTimeout(timer);
      response.off('close', leave);
    });
  }

  private isFreeFor(client: string): boolean {
    return this.taken < this.rules.most && (this.takenBy.get(client) ?? 0) < (this.rules.mostOfOne ?? this.rules.most);
  }

  private mayWait(client: string): boolean {
    const { most, mostOfOne = most, mostWaiting } = this.rules;
    if (this.line.size >= mostWaiting) return false;
    const own = [...this.line].filter((waiting) => waiting.client === client).length;
    return own < (mostWaiting * mostOfOne) / most;
  }

  private take(client: string): void {
    this.taken += 1;
    this.takenBy.set(client, (this.takenBy.get(client) ?? 0) + 1);
  }

  /** The place goes on to who waits longest, and may have it. */
  private leave(client: string): void {
    this.taken -= 1;
    const left = this.takenBy.get(client)! - 1;
    if (left > 0) this.takenBy.set(client, left);
    else this.takenBy.delete(client);
    for (const next of this.line) {
      if (!this.isFreeFor(next.client)) continue;
      this.line.delete(next);
      this.take(next.client);
      return next.enter();
    }
  }

  private sendAway(response: Response): RahatError {
    this.refused();
    const seconds = COME_BACK_AFTER_SECONDS[this.sentAway++ % COME_BACK_AFTER_SECONDS.length]!;
    if (!response.headersSent) response.setHeader('Retry-After', String(seconds));
    return new RahatError('overloaded', `Too many ${this.rules.what} are under way.`, {
      hint: `Nothing was done: try again in ${seconds} s.`,
    });
  }
}

/** Nobody hears it. */
function gone(): RahatError {
  return new RahatError('cancelled', 'Who asked has gone.');
}
