import { redactSecrets } from '@rahat/service-kit';
import type { Response } from 'express';
import type { KeptAnswer } from './answer-store.js';

/** More is passed through and not kept. */
const MOST_BYTES = 256 * 1024;
/** The others are of one answer alone (request ids, limits) or are set on every answer anyway. */
const HEADERS_KEPT = ['content-type', 'location', 'link', 'etag', 'retry-after'];

/** The answer as it was given; null when it is too large. */
export type Recorded = { status: number; answer: KeptAnswer | null };

/** Holds the answer back until `settle` is through: who has an answer in hand and asks again gets the same one. */
export function recordAnswer(response: Response, settle: (recorded: Recorded) => Promise<void>): void {
  const write = response.write.bind(response) as (chunk: Buffer) => boolean;
  const end = response.end.bind(response) as (chunk?: Buffer) => Response;
  let parts: Buffer[] | null = [];
  let size = 0;

  const take = (chunk: unknown, encoding: unknown): boolean => {
    if (chunk === undefined || chunk === null || typeof chunk === 'function') return true;
    const bytes = Buffer.isBuffer(chunk)
      ? chunk
      : Buffer.from(chunk as string, typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8');
    if (parts === null) return write(bytes);
    parts.push(bytes);
    size += bytes.length;
    if (size <= MOST_BYTES) return true;
    const held = Buffer.concat(parts);
    parts = null;
    return write(held);
  };
  const finish = async (): Promise<void> => {
    const body = parts && Buffer.concat(parts);
    await settle({
      status: response.statusCode,
      answer: body && { status: response.statusCode, headers: keptHeaders(response), body: body.toString() },
    });
    end(body ?? undefined);
  };

  let ended = false;
  response.write = ((chunk: unknown, encoding: unknown) => take(chunk, encoding)) as Response['write'];
  response.end = ((chunk: unknown, encoding: unknown) => {
    if (ended) return response;
    ended = true;
    take(chunk, encoding);
    void finish();
    return response;
  }) as Response['end'];
}

/** By its names: what a log may not hold is not kept either. */
export function holdsSecret(body: string): boolean {
  try {
    const value: unknown = JSON.parse(body);
    return JSON.stringify(redactSecrets(value)) !== JSON.stringify(value);
  } catch {
    return false;
  }
}

function keptHeaders(response: Response): Record<string, string> {
  const entries = HEADERS_KEPT.map((name) => [name, response.getHeader(name)] as const);
  return Object.fromEntries(entries.flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]])));
}
