import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { askingAgain } from './asking-again.js';

type Behaviour = (request: IncomingMessage, response: ServerResponse) => void;

const refusal =
  (status: number, code: string, retryAfter?: string): Behaviour =>
  (_request, response) =>
    response
      .writeHead(status, { 'content-type': 'application/problem+json', ...(retryAfter !== undefined && { 'retry-after': retryAfter }) })
      .end(JSON.stringify({ code, status }));
const done: Behaviour = (_request, response) => response.end('{"done":true}');

describe('a request that the platform refused before anything was done', () => {
  let behaviours: Behaviour[];
  let bodies: string[];
  let waits: number[];
  let said: string[];
  const server = createServer(async (request, response) => {
    bodies.push(`${request.method} ${await text(request)}`);
    (behaviours.length > 1 ? behaviours.shift()! : behaviours[0]!)(request, response);
  });
  const send = askingAgain(fetch, { wait: async (seconds) => void waits.push(seconds), say: (line) => void said.push(line) });
  const post = () => send(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`, { method: 'POST', body: '{"a":1}' });

  beforeAll(async () => {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  beforeEach(() => void ([behaviours, bodies, waits, said] = [[done], [], [], []]));
  afterAll(() => void server.close());

  it('is sent again, whole, after the seconds that were told', async () => {
    behaviours = [refusal(429, 'rate_limited', '12'), refusal(503, 'overloaded', '2'), refusal(503, 'overloaded', '0'), done];
    expect(await (await post()).json()).toEqual({ done: true });
    expect(bodies).toEqual(Array<string>(4).fill('POST {"a":1}'));
    expect(waits).toEqual([12, 2, 1]);
    expect(said).toEqual([expect.stringContaining('12 s')]);
  });

  it('is given up when that would take much longer than the limits do', async () => {
    behaviours = [refusal(503, 'overloaded', '30')];
    const answer = await post();
    expect([answer.status, ((await answer.json()) as { code: string }).code, waits]).toEqual([503, 'overloaded', [30, 30]]);
    behaviours = [refusal(429, 'rate_limited', '900')];
    expect([(await post()).status, waits]).toEqual([429, [30, 30]]);
  });

  it.each([
    ['something else is away and it may have been done', refusal(503, 'unavailable', '5')],
    ['nobody says for how long', refusal(429, 'rate_limited')],
    ['a time is told that is none', refusal(429, 'rate_limited', 'soon')],
    [
      'the answer is no problem of ours',
      (_request: IncomingMessage, response: ServerResponse) => void response.writeHead(503, { 'retry-after': '1' }).end('<html>'),
    ],
    ['it was refused for good', refusal(422, 'invalid_input', '1')],
  ] as [string, Behaviour][])('is not sent again when %s', async (_when, behaviour) => {
    behaviours = [behaviour];
    expect((await post()).ok).toBe(false);
    expect([bodies.length, waits]).toEqual([1, []]);
  });
});
