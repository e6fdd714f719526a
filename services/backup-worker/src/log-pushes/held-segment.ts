import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { request as openRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { request as openSecureRequest } from 'node:https';
import { type ContentUpload, DIGEST_BYTES, HISTORIES_HEADER, type LogPushOrder, PushedHistories, RahatError } from '@rahat/contracts';
import type { PushedSegment } from '@rahat/execution';

/** Of whoever holds the segment; what is silent for so long has gone. */
const SILENCE_MS = 120_000;

/** Histories come in one. */
const LARGEST_HEADER_BYTES = 512 * 1024;

type Verdict = Parameters<PushedSegment['settle']>[0];

/**
 * A segment that a scheduler holds. The answer's request is open from the beginning on: while it is, the scheduler knows that somebody
 * works on it, and we that it is still awaited.
 */
export class HeldSegment implements PushedSegment {
  readonly name: string;
  readonly sizeBytes: number;
  private readonly answer: ClientRequest;
  private taking?: ClientRequest;
  private over = false;

  constructor(private readonly order: LogPushOrder) {
    this.name = order.file;
    this.sizeBytes = order.sizeBytes;
    this.answer = ask('POST', order.answer);
    this.answer.on('response', (response) => response.resume());
    this.answer.on('error', () => undefined);
    this.answer.once('close', () => (this.over = true));
    this.answer.flushHeaders();
  }

  get isAwaited(): boolean {
    return !this.over;
  }

  async open(): ReturnType<PushedSegment['open']> {
    const request = (this.taking = ask('GET', this.order.take));
    request.end();
    const [response] = (await once(request, 'response').catch((error: unknown) => Promise.reject(gone(this.name, error)))) as [
      IncomingMessage,
    ];
    request.on('error', () => undefined);
    if (response.statusCode !== 200) {
      response.resume();
      throw gone(this.name);
    }
    return { histories: historiesIn(response), body: bodyOf(this.order, response) };
  }

  settle(verdict: Verdict): void {
    this.taking?.destroy();
    this.answer.end(JSON.stringify(verdict.outcome === 'refused' ? { ...verdict, error: verdict.error.serialize() } : verdict));
  }
}

function ask(method: 'GET' | 'POST', { url, ticket }: ContentUpload): ClientRequest {
  const open = new URL(url).protocol === 'https:' ? openSecureRequest : openRequest;
  const request = open(url, { method, headers: { authorization: `Bearer ${ticket}` }, agent: false, maxHeaderSize: LARGEST_HEADER_BYTES });
  request.setTimeout(SILENCE_MS, () => request.destroy(new Error(`nothing came for ${SILENCE_MS / 1000} s`)));
  return request;
}

function historiesIn({ headers }: IncomingMessage): Map<number, Buffer> {
  const text = headers[HISTORIES_HEADER];
  if (typeof text !== 'string') return new Map();
  const histories = PushedHistories.parse(JSON.parse(Buffer.from(text, 'base64').toString()));
  return new Map(histories.map(({ timeline, content }) => [timeline, Buffer.from(content, 'base64')]));
}

/** What breaks off never looks like an end, and what arrives is what was sent: its hash comes behind it. */
async function* bodyOf({ file, sizeBytes }: LogPushOrder, response: IncomingMessage): AsyncGenerator<Buffer> {
  const hash = createHash('sha256');
  let left = sizeBytes;
  let digest: Buffer = Buffer.alloc(0);
  try {
    for await (const piece of response as AsyncIterable<Buffer>) {
      const part = piece.subarray(0, left);
      digest = Buffer.concat([digest, piece.subarray(part.length)]);
      left -= part.length;
      hash.update(part);
      if (part.length > 0) yield part;
    }
  } catch (error) {
    throw gone(file, error);
  }
  if (!response.complete || left > 0) throw gone(file);
  if (digest.length === DIGEST_BYTES && digest.equals(hash.digest())) return;
  throw new RahatError('unavailable', `${file} did not arrive as it was sent`, { hint: 'It is pushed again by itself.' });
}

function gone(name: string, cause?: unknown): RahatError {
  return new RahatError('unavailable', `Whoever pushed ${name} is gone`, { cause });
}
