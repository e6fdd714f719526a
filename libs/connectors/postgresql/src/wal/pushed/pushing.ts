import type { PushedSegment } from '@rahat/connector-kit';

/** What became of a segment. */
export type Settled = { outcome: 'stored' | 'known' } | { outcome: 'refused'; code: string; message: string };

/** The pusher's side: hands segments to whoever takes them, as a worker does, and waits for the word. */
export class Pushing implements AsyncIterable<PushedSegment> {
  readonly histories = new Map<number, Buffer>();
  private readonly waiting: PushedSegment[] = [];
  private wake: () => void = () => undefined;
  private ended = false;

  push(name: string, bytes: Buffer, { breaksAt = Infinity, sizeBytes = bytes.length } = {}): Promise<Settled> {
    const { promise, resolve } = Promise.withResolvers<Settled>();
    const { histories } = this;
    this.waiting.push({
      name,
      sizeBytes,
      open: async () => ({ histories, body: piecesOf(bytes, breaksAt) }),
      settle: (verdict) =>
        resolve(verdict.outcome === 'refused' ? { outcome: 'refused', code: verdict.error.code, message: verdict.error.message } : verdict),
    });
    this.wake();
    return promise;
  }

  end(): void {
    this.ended = true;
    this.wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<PushedSegment> {
    for (;;) {
      const next = this.waiting.shift();
      if (next) yield next;
      else if (this.ended) return;
      else await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }
}

/** Of odd sizes, the first ones smaller than a header; lent, as a connection may do. */
async function* piecesOf(bytes: Buffer, breaksAt: number): AsyncGenerator<Buffer> {
  for (let at = 0, size = 7; at < bytes.length; at += size, size = Math.min(size * 3, 60_001)) {
    if (at >= breaksAt) throw new Error('the pusher was cut off');
    const piece = Buffer.from(bytes.subarray(at, at + size));
    yield piece;
    piece.fill(0);
  }
}
