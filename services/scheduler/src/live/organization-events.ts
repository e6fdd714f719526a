import type { LivePage, Principal } from '@rahat/contracts';
import type { Tenant, TenantDatabase } from '@rahat/persistence';
import type { Clock } from '../clock/clock.js';
import type { EventStream } from './event-stream.js';
import {
  AT_ONCE,
  currentPosition,
  decodePosition,
  encodePosition,
  heardServers,
  isAfter,
  liveEventsAfter,
  positionOf,
  type LiveEventRow,
  type LivePosition,
} from './live-events.table.js';
import type { LiveHub } from './live-hub.js';
import type { LiveSignal } from './live-signal.js';
import { Wake } from './wake.js';

/** An event that was signalled can be read when all older transactions have ended. A signal may be lost, too; so late an event then comes at most. */
const LOOKS_AFTER_MS = [100, 300, 1_000, 5_000];

interface Reader {
  stream: EventStream;
  position: LivePosition;
  /** False while it reads by itself what it missed. */
  live: boolean;
}

/** What happens in an organization, or on servers of some of its groups: read from the database once for all of its readers, progress straight from the signal. */
export class OrganizationEvents {
  private readonly feeds = new Map<string, Feed>();

  constructor(
    private readonly database: TenantDatabase,
    private readonly hub: LiveHub,
    private readonly clock: Clock,
  ) {}

  async follow(
    { organization, serverGroups }: Pick<Principal, 'organization' | 'serverGroups'>,
    lastEventId: string | undefined,
    stream: EventStream,
  ): Promise<void> {
    const tenant = { organization, serverGroups };
    const now = this.clock.now();
    const start = await this.database.inOrganization(tenant, currentPosition);
    const { position, missed } = resumeAt(lastEventId, start, now);
    const reader: Reader = { stream, position: position ?? start, live: false };
    stream.begin();
    stream.send({ type: missed ? 'reset' : 'ready', data: {}, id: encodePosition(reader.position, now) });
    const feed = this.feedOf(tenant, start);
    feed.readers.add(reader);
    stream.onClose(() => feed.readers.delete(reader));
    this.hub.attend(stream, organization, (signal) => feed.heard(signal, reader));
    // Whose database went away meanwhile comes back and goes on from the last event.
    await feed.catchUp(reader).catch(() => stream.end());
  }

  /** What came after a place, for a reader that then follows from there. */
  async since(tenant: Tenant, lastEventId: string | undefined): Promise<LivePage> {
    const now = this.clock.now();
    return this.database.inOrganization(tenant, async (transaction) => {
      const current = await currentPosition(transaction);
      const { position, missed } = resumeAt(lastEventId, current, now);
      if (position === undefined) return { missed, position: encodePosition(current, now), events: [], more: false, over: false };
      const rows = await liveEventsAfter(transaction, tenant.organization, position);
      const events = rows.map((row) => ({ type: row.type, data: row.data, id: encodePosition(positionOf(row), now) }));
      const reached = events.at(-1)?.id ?? encodePosition(position, now);
      return { missed, position: reached, events, more: rows.length === AT_ONCE, over: false };
    });
  }

  private feedOf(tenant: Tenant, start: LivePosition): Feed {
    const key = JSON.stringify([tenant.organization, tenant.serverGroups?.toSorted() ?? null]);
    const known = this.feeds.get(key);
    if (known) return known;
    const feed = new Feed(
      (position) =>
        this.database.inOrganization(tenant, async (transaction) => ({
          rows: await liveEventsAfter(transaction, tenant.organization, position),
          servers: await heardServers(transaction, tenant),
        })),
      start,
      this.clock,
    );
    this.feeds.set(key, feed);
    void feed.run().finally(() => this.feeds.delete(key));
    return feed;
  }
}

/** Where a reader goes on; nowhere, and with something missed, where the place that it gives is of no use. */
function resumeAt(lastEventId: string | undefined, current: LivePosition, now: Date): { position?: LivePosition; missed: boolean } {
  if (lastEventId === undefined) return { missed: false };
  const position = decodePosition(lastEventId, now);
  // One that was given by a server of another life would wait for ever.
  return position !== undefined && !isAfter(position, current) ? { position, missed: false } : { missed: true };
}

interface Look {
  rows: LiveEventRow[];
  /** As of now; null: every one. */
  servers: ReadonlySet<string> | null;
}

/** The events of one tenant, as long as somebody reads them. */
class Feed {
  readonly readers = new Set<Reader>();
  private readonly wake = new Wake();
  /** In vain since the last signal. */
  private looks = LOOKS_AFTER_MS.length;
  /** None before the first look. */
  private servers: ReadonlySet<string> | null = new Set();

  constructor(
    private readonly read: (after: LivePosition) => Promise<Look>,
    private position: LivePosition,
    private readonly clock: Clock,
  ) {}

  heard(signal: LiveSignal, reader: Reader): void {
    if (signal.kind === 'changed') {
      this.looks = 0;
      this.wake.now();
    } else if (signal.kind === 'progress' && (this.servers === null || this.servers.has(signal.server ?? '')))
      reader.stream.sendIfReading({ type: 'progress', data: { run: signal.run, attempt: signal.attempt, ...signal.progress } });
  }

  async run(): Promise<void> {
    do {
      // A database that is away is asked again; readers wait with us.
      const rows = await this.look(this.position).catch(() => []);
      for (const row of rows) {
        this.position = positionOf(row);
        for (const reader of this.readers) if (reader.live) this.tell(reader, row);
      }
      if (rows.length === 0) await this.wake.atLatestAfter(LOOKS_AFTER_MS[this.looks++] ?? LOOKS_AFTER_MS.at(-1)!);
    } while (this.readers.size > 0);
  }

  /** Alone from where the reader left off, until it stands where all others are. */
  async catchUp(reader: Reader): Promise<void> {
    while (!reader.stream.closed) {
      const rows = await this.look(reader.position);
      for (const row of rows) this.tell(reader, row);
      await reader.stream.drained();
      if (rows.length > 0 || isAfter(this.position, reader.position)) continue;
      reader.live = true;
      return;
    }
  }

  private async look(after: LivePosition): Promise<LiveEventRow[]> {
    const { rows, servers } = await this.read(after);
    this.servers = servers;
    return rows;
  }

  private tell(reader: Reader, row: LiveEventRow): void {
    const position = positionOf(row);
    if (!isAfter(position, reader.position)) return;
    reader.position = position;
    reader.stream.send({ type: row.type, data: row.data, id: encodePosition(position, this.clock.now()) });
  }
}
