import { LivePage, type LiveMessage } from '@rahat/contracts';
import type { InternalClient } from '@rahat/service-kit';
import { readEvents } from './event-source.js';
import type { LiveTopic } from './live-topic.js';

const OWNER = 'scheduler';
/** It says every 20 s that it lives. */
const SILENT_FOR_MS = 60_000;

/** The service that knows what happens. */
export class LiveUpstream {
  constructor(private readonly internal: Pick<InternalClient, 'get' | 'stream'>) {}

  async since(topic: LiveTopic, position: string | undefined): Promise<LivePage> {
    const query = position === undefined ? '' : `?after=${encodeURIComponent(position)}`;
    return this.internal.get(OWNER, `${pathOf(topic)}/since${query}`, LivePage, tenantOf(topic));
  }

  /** Until the other side ends it. */
  async *follow(topic: LiveTopic, position: string, stopped: AbortSignal): AsyncGenerator<LiveMessage> {
    const silent = new AbortController();
    const timer = setTimeout(() => silent.abort(), SILENT_FOR_MS);
    try {
      const body = await this.internal.stream(OWNER, `${pathOf(topic)}/events`, tenantOf(topic), {
        headers: { 'last-event-id': position },
        signal: AbortSignal.any([stopped, silent.signal]),
      });
      for await (const { data, ...event } of readEvents(refreshing(body, timer))) yield { ...event, data: JSON.parse(data) as unknown };
    } finally {
      clearTimeout(timer);
    }
  }
}

/** The service behind us answers what who follows may see, and nothing else. */
function tenantOf({ organization, serverGroups }: LiveTopic) {
  return { organization, serverGroups: serverGroups && [...serverGroups] };
}

function pathOf({ run }: LiveTopic): string {
  return run === undefined ? '/internal/v1/live' : `/internal/v1/live/runs/${run}`;
}

async function* refreshing(body: ReadableStream<Uint8Array>, timer: NodeJS.Timeout): AsyncGenerator<Uint8Array> {
  for await (const bytes of body) {
    timer.refresh();
    yield bytes;
  }
}
