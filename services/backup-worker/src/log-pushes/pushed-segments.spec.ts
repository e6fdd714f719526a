import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { HISTORIES_HEADER, RahatError, type LogPushOrder } from '@rahat/contracts';
import type { PushedSegment } from '@rahat/execution';
import { PushedSegments } from './pushed-segments.js';

const BYTES = Buffer.alloc(300_000, 'segment');
const HISTORY = { timeline: 2, content: Buffer.from('1\t0/3000000\tpromoted\n').toString('base64') };

/** A scheduler's intake, with one segment in it. */
let server: Server;
let give: (response: ServerResponse) => void;
let answers: { request: IncomingMessage; told: Promise<unknown> }[];
let ending: AbortController;
let segments: PushedSegments;

beforeEach(async () => {
  answers = [];
  give = whole;
  server = createServer((request, response) => {
    if (request.method === 'GET') return give(response);
    const told = json(request);
    told.then(
      () => response.writeHead(204).end(),
      () => undefined,
    );
    answers.push({ request, told });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ending = new AbortController();
  segments = new PushedSegments(ending.signal);
});
afterEach(() => {
  ending.abort();
  server.closeAllConnections();
  server.close();
});

function whole(response: ServerResponse, digest = createHash('sha256').update(BYTES).digest()): void {
  const histories = Buffer.from(JSON.stringify([HISTORY])).toString('base64');
  response.writeHead(200, { [HISTORIES_HEADER]: histories });
  response.write(BYTES);
  response.end(digest);
}

async function next(file = 'one'): Promise<PushedSegment> {
  segments.add(order(file));
  return firstOf(segments);
}
async function firstOf(all: AsyncIterable<PushedSegment>): Promise<PushedSegment> {
  const { value } = await all[Symbol.asyncIterator]().next();
  return value as PushedSegment;
}
function order(file: string): LogPushOrder {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  return { file, sizeBytes: BYTES.length, take: { url, ticket: 't'.repeat(43) }, answer: { url, ticket: 'a'.repeat(43) } };
}
const contentOf = async (segment: PushedSegment) => Buffer.concat(await Array.fromAsync((await segment.open()).body));
const until = async (state: () => boolean) => {
  while (!state()) await new Promise((resolve) => setTimeout(resolve, 5));
};

describe('a segment that a scheduler holds', () => {
  it('comes whole, with the histories, and is answered', async () => {
    const segment = await next();
    const { histories, body } = await segment.open();
    expect([...histories]).toEqual([[2, Buffer.from(HISTORY.content, 'base64')]]);
    expect(Buffer.concat(await Array.fromAsync(body)).equals(BYTES)).toBe(true);
    segment.settle({ outcome: 'stored' });
    expect(await answers[0]!.told).toEqual({ outcome: 'stored' });
  });

  it('says that it is worked on before its turn comes', async () => {
    segments.add(order('one'));
    segments.add(order('two'));
    await until(() => answers.length === 2);
    const first = await firstOf(segments);
    expect(first.name).toBe('one');
    first.settle({ outcome: 'refused', error: new RahatError('log_segment_differs', 'it differs') });
    expect(await answers[0]!.told).toMatchObject({ outcome: 'refused', error: { code: 'log_segment_differs', message: 'it differs' } });
  });

  it('never looks whole when it breaks off, or arrives otherwise than it was sent', async () => {
    give = (response) => {
      response.writeHead(200);
      response.write(BYTES);
      setTimeout(() => response.destroy(), 50);
    };
    await expect(contentOf(await next())).rejects.toMatchObject({ code: 'unavailable' });
    give = (response) => whole(response, Buffer.alloc(32));
    await expect(contentOf(await next())).rejects.toThrow('did not arrive as it was sent');
    give = (response) => void response.writeHead(200).end(BYTES);
    await expect(contentOf(await next())).rejects.toThrow('did not arrive as it was sent');
    give = (response) => void response.writeHead(200).end(BYTES.subarray(1));
    await expect(contentOf(await next())).rejects.toThrow('is gone');
    give = (response) => void response.writeHead(404).end();
    await expect(contentOf(await next())).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('is left out when its pusher gave up while it waited', async () => {
    segments.add(order('one'));
    segments.add(order('two'));
    await until(() => answers.length === 2);
    answers[0]!.told.catch(() => undefined);
    answers[0]!.request.socket.destroy();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect((await firstOf(segments)).name).toBe('two');
  });

  it('is refused when the follower stops, and then there are no more', async () => {
    segments.add(order('one'));
    await until(() => answers.length === 1);
    ending.abort();
    expect(await answers[0]!.told).toMatchObject({ outcome: 'refused', error: { code: 'unavailable' } });
    expect(await Array.fromAsync(segments)).toEqual([]);
    segments.add(order('two'));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(answers).toHaveLength(1);
  });
});
