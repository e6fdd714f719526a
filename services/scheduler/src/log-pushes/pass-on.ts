import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { DIGEST_BYTES, HISTORIES_HEADER, RahatError, type PushedHistories } from '@rahat/contracts';
import type { z } from 'zod';

/** One of those that a segment goes to, and what helps it to place the segment. */
export interface Taker {
  response: ServerResponse;
  histories: z.infer<typeof PushedHistories>;
}

/**
 * Passes a segment on as it comes, to all of them at the pace of the slowest; nothing is gathered. Its hash goes behind it. One that
 * breaks off is left out: its own verdict says so.
 */
export async function passOn(segment: IncomingMessage, sizeBytes: number, takers: readonly Taker[]): Promise<void> {
  for (const { response, histories } of takers) {
    response.on('error', () => undefined);
    response.writeHead(200, {
      'content-type': 'application/octet-stream',
      'content-length': sizeBytes + DIGEST_BYTES,
      [HISTORIES_HEADER]: Buffer.from(JSON.stringify(histories)).toString('base64'),
    });
  }
  const hash = createHash('sha256');
  let received = 0;
  // Who pushed is still to be answered when all takers are gone.
  for await (const piece of segment.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    hash.update(piece);
    received += piece.length;
    await Promise.all(takers.map(({ response }) => write(response, piece)));
    if (takers.every(({ response }) => response.destroyed)) return;
  }
  if (received !== sizeBytes) throw new RahatError('malformed_request', `${received} bytes came instead of ${sizeBytes}`);
  const digest = hash.digest();
  for (const { response } of takers) response.end(digest);
}

async function write(response: ServerResponse, piece: Buffer): Promise<void> {
  if (response.destroyed || response.write(piece)) return;
  const settled = new AbortController();
  const either = [once(response, 'drain', settled), once(response, 'close', settled)].map((event) => event.catch(() => undefined));
  await Promise.race(either);
  settled.abort();
}
