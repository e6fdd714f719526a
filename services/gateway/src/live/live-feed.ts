import { setTimeout as sleep } from 'node:timers/promises';
import { RahatError, type LiveMessage } from '@rahat/contracts';
import { isAfter, wasHeard, type LiveTopic } from './live-topic.js';
import type { LiveUpstream } from './live-upstream.js';

const KNOCK_AGAIN_MS = 500;
/** Who needs longer than so many events to catch up begins again from where it stands. */
const MOST_ARRIVALS = 1_000;

/** What came while somebody was catching up. */
export interface Arrivals {
  events: LiveMessage[];
  overflowed: boolean;
}

export interface FeedListener {
  /** To all who follow, but for some. */
  tell(event: LiveMessage, except: readonly string[]): void;
  /** The run has ended. */
  over(): void;
}

/** One stream of the service behind us for all sockets here that follow the same, for as long as one does. */
export class LiveFeed {
  private readonly stop = new AbortController();
  private readonly catchingUp = new Set<Arrivals>();
  /** Sockets that caught up further than this feed has come. */
  private readonly ahead = new Map<string, string>();

  constructor(
    private readonly topic: LiveTopic,
    private position: string,
    private readonly upstream: LiveUpstream,
    private readonly listener: FeedListener,
  ) {}

  close(): void {
    this.stop.abort();
  }

  async run(): Promise<void> {
    const { signal } = this.stop;
    while (!signal.aborted) {
      try {
        for await (const event of this.upstream.follow(this.topic, this.position, signal)) this.heard(event);
        if (!signal.aborted && (await this.isOver())) return this.listener.over();
      } catch (error) {
        if (RahatError.from(error).code === 'not_found') return this.listener.over();
        // Anything else is a service that is being restarted: it is asked again, and nothing is missed.
      }
      await sleep(KNOCK_AGAIN_MS * (0.5 + Math.random()), undefined, { signal }).catch(() => undefined);
    }
  }

  /** Begins to keep what comes for one who is catching up; `forget` ends it. */
  collect(): Arrivals {
    const arrivals = { events: [], overflowed: false };
    this.catchingUp.add(arrivals);
    return arrivals;
  }

  forget(arrivals: Arrivals): void {
    this.catchingUp.delete(arrivals);
  }

  /** What came for a socket that has caught up to `position`; from now on it hears what all others do. */
  admit(socket: string, position: string, { events }: Arrivals): LiveMessage[] {
    if (isAfter(position, this.position)) this.ahead.set(socket, position);
    return events.filter((event) => !wasHeard(event, this.topic, position));
  }

  private async isOver(): Promise<boolean> {
    return this.topic.run !== undefined && (await this.upstream.since(this.topic, this.position)).over;
  }

  private heard(event: LiveMessage): void {
    if (event.id !== undefined) this.position = event.id;
    if (event.type === 'ready') return;
    this.listener.tell(event, this.whoHeard(event));
    if (event.type !== 'progress') for (const arrivals of this.catchingUp) keep(arrivals, event);
  }

  private whoHeard(event: LiveMessage): string[] {
    if (event.id === undefined || this.ahead.size === 0) return [];
    const known: string[] = [];
    for (const [socket, position] of this.ahead) {
      if (wasHeard(event, this.topic, position)) known.push(socket);
      if (!isAfter(position, this.position)) this.ahead.delete(socket);
    }
    return known;
  }
}

function keep(arrivals: Arrivals, event: LiveMessage): void {
  if (arrivals.events.length < MOST_ARRIVALS) arrivals.events.push(event);
  else arrivals.overflowed = true;
}
