import { once } from 'node:events';
import type { ServerResponse } from 'node:http';

export interface StreamedEvent {
  type: string;
  data: object;
  /** What a reader gives back as Last-Event-ID to go on from here. */
  id?: string;
}

/** With so much waiting for a slow reader progress is left out … */
const SLOW_FROM_BYTES = 32 * 1024;
/** … and with so much, or when nothing moves for so long, the stream ends: the reader comes back and goes on from its last event. */
const MOST_BEHIND_BYTES = 512 * 1024;
const MUST_DRAIN_WITHIN_MS = 30_000;

/** Server-sent events to one reader, in bounded memory however slowly it reads. */
export class EventStream {
  private behindSince: number | undefined;

  constructor(private readonly response: ServerResponse) {
    response.on('drain', () => (this.behindSince = undefined));
    // A reader that goes away is no error of ours.
    response.on('error', () => undefined);
  }

  begin(): void {
    this.response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      // For proxies that would collect what they pass on.
      'x-accel-buffering': 'no',
    });
    this.response.flushHeaders();
    this.write(': begin\n\n');
  }

  send({ type, data, id }: StreamedEvent): void {
    this.write(`${id === undefined ? '' : `id: ${id}\n`}event: ${type}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  /** For what the next one makes worthless. */
  sendIfReading(event: StreamedEvent): void {
    if (this.response.writableLength < SLOW_FROM_BYTES) this.send(event);
  }

  /** Says that the stream lives, to whoever is between us and the reader. */
  beat(): void {
    if (this.behindSince !== undefined && Date.now() - this.behindSince > MUST_DRAIN_WITHIN_MS) this.response.destroy();
    else if (this.response.writableLength < SLOW_FROM_BYTES) this.write(': beat\n\n');
  }

  /** For a sender that has much to say at once. */
  async drained(): Promise<void> {
    if (this.behindSince === undefined || this.closed) return;
    const closed = new AbortController();
    const stop = () => closed.abort();
    this.response.once('close', stop);
    const deadline = setTimeout(() => this.response.destroy(), MUST_DRAIN_WITHIN_MS);
    try {
      await once(this.response, 'drain', { signal: closed.signal }).catch(() => undefined);
    } finally {
      clearTimeout(deadline);
      this.response.off('close', stop);
    }
  }

  get closed(): boolean {
    return this.response.writableEnded || this.response.destroyed;
  }

  onClose(react: () => void): void {
    if (this.closed) react();
    else this.response.once('close', react);
  }

  end(): void {
    if (!this.closed) this.response.end();
  }

  private write(text: string): void {
    if (this.closed) return;
    if (!this.response.write(text)) this.behindSince ??= Date.now();
    if (this.response.writableLength > MOST_BEHIND_BYTES) this.response.destroy();
  }
}
