import { once } from 'node:events';
import { allows, RahatError, type AuthenticatedSubject, type LiveFollow, type LiveMessage } from '@rahat/contracts';
import { LiveFeed } from './live-feed.js';
import { cutOff, waitingFor, type LiveNamespace, type LiveSocket } from './live-server.js';
import { roomOf, topicOf, type LiveTopic } from './live-topic.js';
import type { LiveUpstream } from './live-upstream.js';

const MOST_ROOMS = 20;
/** With so many messages waiting for a slow reader progress is left out … */
const SLOW_FROM = 32;
/** … and with so many, more than a page of past ones, it is cut off: it comes back and goes on from its last event. */
const MOST_BEHIND = 1_000;
const MUST_DRAIN_WITHIN_MS = 30_000;

/** Who follows what. A room has a feed for as long as somebody is in it. */
export class Following {
  private readonly feeds = new Map<string, LiveFeed>();

  constructor(
    private readonly sockets: LiveNamespace,
    private readonly upstream: LiveUpstream,
  ) {
    sockets.adapter.on('delete-room', (room: string) => this.close(room));
  }

  /** When it is done, what was missed has been told. */
  async follow(socket: LiveSocket, { run, lastEventId }: LiveFollow): Promise<void> {
    const { subject, joining } = socket.data;
    refuseWithoutRight(subject, run);
    const topic = topicOf(subject, run);
    const room = roomOf(topic);
    if (socket.rooms.has(room) || joining.has(room)) throw new RahatError('conflict', 'This is followed already.');
    // One room is the socket's own.
    if (socket.rooms.size - 1 + joining.size >= MOST_ROOMS)
      throw new RahatError('rate_limited', `A connection follows ${MOST_ROOMS} things at most.`);
    joining.add(room);
    try {
      await this.join(socket, topic, lastEventId);
    } finally {
      joining.delete(room);
    }
  }

  async unfollow(socket: LiveSocket, { run }: LiveFollow): Promise<void> {
    const room = roomOf(topicOf(socket.data.subject, run));
    socket.data.joining.delete(room);
    await socket.leave(room);
  }

  end(): void {
    for (const room of this.feeds.keys()) this.close(room);
  }

  private async join(socket: LiveSocket, topic: LiveTopic, lastEventId: string | undefined): Promise<void> {
    const room = roomOf(topic);
    for (let position = lastEventId, begins = true; ; begins = false) {
      const feed = this.feeds.get(room);
      const arrivals = feed?.collect();
      try {
        const reached = await this.catchUp(socket, topic, position, begins);
        position = reached;
        if (!socket.connected || !socket.data.joining.has(room)) return;
        // Others came or went meanwhile, or too much happened: once more, from where it stands now.
        if (this.feeds.get(room) !== feed || arrivals?.overflowed === true) continue;
        if (feed && arrivals) for (const event of feed.admit(socket.id, reached, arrivals)) send(socket, topic, event);
        else this.open(topic, reached);
        await socket.join(room);
        return;
      } finally {
        if (feed && arrivals) feed.forget(arrivals);
      }
    }
  }

  /** Page by page, as fast as it reads. */
  private async catchUp(socket: LiveSocket, topic: LiveTopic, from: string | undefined, begins: boolean): Promise<string> {
    for (let position = from, first = begins; ; first = false) {
      const page = await this.upstream.since(topic, position);
      if (topic.run === undefined && (first || page.missed))
        send(socket, topic, { type: page.missed ? 'reset' : 'ready', data: {}, id: page.position });
      for (const event of page.events) send(socket, topic, event);
      await drained(socket);
      position = page.position;
      if (!page.more || !socket.connected) return position;
    }
  }

  private open(topic: LiveTopic, position: string): void {
    const room = roomOf(topic);
    const feed: LiveFeed = new LiveFeed(topic, position, this.upstream, {
      tell: (event, except) => this.tell(topic, event, except),
      over: () => {
        this.tell(topic, { type: 'over', data: {} }, []);
        this.sockets.in(room).socketsLeave(room);
      },
    });
    this.feeds.set(room, feed);
    void feed.run();
  }

  private close(room: string): void {
    this.feeds.get(room)?.close();
    this.feeds.delete(room);
  }

  /** In bounded memory, however slowly some read. */
  private tell(topic: LiveTopic, event: LiveMessage, except: readonly string[]): void {
    const room = roomOf(topic);
    const skipped = [...except];
    for (const id of [...(this.sockets.adapter.rooms.get(room) ?? [])]) {
      const socket = this.sockets.sockets.get(id);
      const waiting = socket ? waitingFor(socket) : 0;
      if (socket && waiting >= MOST_BEHIND) cutOff(socket.conn);
      else if (event.type === 'progress' && waiting >= SLOW_FROM) skipped.push(id);
    }
    this.sockets.to(room).except(skipped).emit('event', messageOf(topic, event));
  }
}

function refuseWithoutRight(subject: AuthenticatedSubject, run: string | undefined): void {
  const needed = run === undefined ? (['run:read', 'backup:read'] as const) : (['run:read'] as const);
  const missing = subject.mustEnrol === true ? needed : needed.filter((scope) => !allows(subject, scope));
  if (missing.length > 0) throw new RahatError('forbidden', `This needs the right ${missing.join(', ')}.`);
}

function send(socket: LiveSocket, topic: LiveTopic, event: LiveMessage): void {
  socket.emit('event', messageOf(topic, event));
}

function messageOf({ run }: LiveTopic, { type, data, id }: LiveMessage): LiveMessage {
  return { ...(run !== undefined && { run }), type, data, ...(id !== undefined && { id }) };
}

async function drained(socket: LiveSocket): Promise<void> {
  const deadline = AbortSignal.timeout(MUST_DRAIN_WITHIN_MS);
  while (socket.connected && waitingFor(socket) > SLOW_FROM) {
    if (deadline.aborted) return cutOff(socket.conn);
    const either = new AbortController();
    const signal = AbortSignal.any([deadline, either.signal]);
    const events = [once(socket.conn, 'drain', { signal }), once(socket.conn, 'close', { signal })];
    await Promise.race(events).catch(() => undefined);
    either.abort();
    await Promise.allSettled(events);
  }
}
