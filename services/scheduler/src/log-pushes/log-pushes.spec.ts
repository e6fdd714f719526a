import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { request as openRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  DIGEST_BYTES,
  HISTORIES_HEADER,
  type ContentUpload,
  type CreatedLogPushToken,
  type FollowSpec,
  type LogPushOrder,
  type LogPushVerdict,
} from '@rahat/contracts';
import { startTestScheduler, type TestScheduler } from '../testing/start-test-scheduler.js';
import type { Script, TestAttempt } from '../testing/scripts.js';

const SEGMENT = randomBytes(1 << 20);
const NAME = '000000010000000000000007';

let scheduler: TestScheduler;
let server: string;
let plan: string;
let follower: TestAttempt & { spec: FollowSpec };
let token: CreatedLogPushToken;
let tokens: string;

beforeAll(async () => {
  scheduler = await startTestScheduler();
  const stays: Script = async (attempt) => {
    scheduler.scripts.unshift(stays);
    await attempt.start();
  };
  scheduler.scripts.push(stays);
  const continuousLog = { commitSeconds: 60, heartbeatSeconds: 60, way: 'push' };
  ({ id: plan, server } = await scheduler.plan({ method: 'postgresql.physical', databases: 'all', continuousLog }));
  tokens = `/api/v2/servers/${server}/log-push-tokens`;
  token = (await scheduler.call('POST', tokens, { url: 'https://backup.example.org/' })).body;
  follower = await scheduler.eventually(async () => {
    const attempt = scheduler.attempts.find(({ spec }) => spec.type === 'follow');
    const run = attempt && (await scheduler.call('GET', `/api/v2/runs/${attempt.spec.run}`)).body;
    return run?.state === 'running' ? (attempt as typeof follower) : undefined;
  });
}, 60_000);
afterAll(async () => scheduler?.[Symbol.asyncDispose]());
beforeEach(() => {
  scheduler.told.length = 0;
  takes(() => ({ outcome: 'stored' }));
});

interface Taken {
  order: LogPushOrder;
  bytes: Buffer;
  histories: { timeline: number; content: string }[];
}
let taken: Taken[] = [];

const ask = (method: string, { url, ticket }: ContentUpload): ClientRequest => {
  const request = openRequest(url, { method, headers: { authorization: `Bearer ${ticket}` }, agent: false });
  request.on('error', () => undefined);
  return request;
};

/** A follower that takes each segment, and then says this. */
function takes(verdict: (taken: Taken) => LogPushVerdict | Promise<LogPushVerdict>): void {
  taken = [];
  scheduler.worker.pushed = (order) => void takeOne(order, verdict);
}
async function takeOne(order: LogPushOrder, verdict: (taken: Taken) => LogPushVerdict | Promise<LogPushVerdict>): Promise<void> {
  const answer = ask('POST', order.answer);
  answer.flushHeaders();
  const request = ask('GET', order.take);
  request.end();
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  const body = Buffer.concat(await (response as unknown as { toArray(): Promise<Buffer[]> }).toArray());
  const bytes = body.subarray(0, -DIGEST_BYTES);
  expect(body.subarray(-DIGEST_BYTES)).toEqual(createHash('sha256').update(bytes).digest());
  const histories = JSON.parse(Buffer.from(String(response.headers[HISTORIES_HEADER]), 'base64').toString());
  const one = { order, bytes, histories };
  taken.push(one);
  answer.end(JSON.stringify(await verdict(one)));
}

async function push(name: string, body: Buffer | ReadableStream = SEGMENT, secret = token.secret, signal?: AbortSignal) {
  const response = await fetch(`${scheduler.application.url}/api/v2/log-pushes/${name}`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${secret}` },
    body,
    signal,
    ...(body instanceof ReadableStream ? { duplex: 'half' } : {}),
  } as RequestInit);
  const text = await response.text();
  return {
    status: response.status,
    retryAfter: response.headers.get('retry-after'),
    code: text === '' ? undefined : JSON.parse(text).code,
  };
}
const refused = (code: 'log_segment_differs' | 'unavailable'): LogPushVerdict => ({
  outcome: 'refused',
  error: { code, message: `it is refused: ${code}`, retryable: code === 'unavailable' },
});
const acts = () => scheduler.told.map(({ payload }) => payload as { action: string; details: object });
const stream = async () => (await scheduler.call('GET', `/api/v2/servers/${server}/windows`)).body.streams[0];

describe('a pushed segment', () => {
  it('goes to the follower of its server, and is answered by what that says', async () => {
    expect(follower.spec).toMatchObject({ way: 'push' });
    expect(await push(NAME)).toEqual({ status: 201, retryAfter: null, code: undefined });
    expect(taken).toMatchObject([{ order: { file: NAME, sizeBytes: SEGMENT.length }, histories: [] }]);
    expect(taken[0]!.bytes.equals(SEGMENT)).toBe(true);
    takes(() => ({ outcome: 'known' }));
    expect(await push(NAME)).toMatchObject({ status: 204 });
    takes(() => refused('unavailable'));
    expect(await push(NAME)).toMatchObject({ status: 503, retryAfter: '5', code: 'unavailable' });
    expect(await stream()).toMatchObject({ way: 'push', state: 'starting', message: expect.stringContaining('pushed nothing yet') });
  });

  it('is not held in memory on its way', async () => {
    const released = Promise.withResolvers<void>();
    scheduler.worker.pushed = (order) => {
      const answer = ask('POST', order.answer);
      answer.flushHeaders();
      const request = ask('GET', order.take);
      request.end();
      request.once('response', (response: IncomingMessage) => {
        response.pause();
        void released.promise.then(() => response.resume().once('end', () => answer.end('{"outcome":"stored"}')));
      });
    };
    const piece = randomBytes(1 << 20);
    let sent = 0;
    const body = new ReadableStream(
      {
        pull(controller) {
          if (sent === 64) return controller.close();
          sent += 1;
          controller.enqueue(piece);
        },
      },
      { highWaterMark: 0 },
    );
    const response = putSized(body, 64 << 20);
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(sent).toBeGreaterThan(0);
    expect(sent).toBeLessThan(40);
    released.resolve();
    expect(await response).toBe(201);
    expect(sent).toBe(64);
  });

  it('is answered 503 at once when the worker dies over it, before or behind its last byte', async () => {
    scheduler.worker.pushed = (order) => {
      const answer = ask('POST', order.answer);
      answer.flushHeaders();
      const request = ask('GET', order.take);
      request.end();
      request.once('response', () => {
        request.destroy();
        answer.destroy();
      });
    };
    expect(await push(NAME, randomBytes(8 << 20))).toMatchObject({ status: 503, retryAfter: '5' });
    let answers: ClientRequest | undefined;
    scheduler.worker.pushed = (order) => {
      const answer = (answers = ask('POST', order.answer));
      answer.flushHeaders();
      const request = ask('GET', order.take);
      request.end();
      request.once('response', (response: IncomingMessage) => response.resume().once('end', () => answers!.destroy()));
    };
    const began = Date.now();
    expect(await push(NAME)).toMatchObject({ status: 503, retryAfter: '5' });
    expect(Date.now() - began).toBeLessThan(5_000);
  });

  it('that its pusher leaves alone is no longer sent to anybody', async () => {
    const cut = Promise.withResolvers<void>();
    scheduler.worker.pushed = (order) => {
      const answer = ask('POST', order.answer);
      answer.flushHeaders();
      answer.once('close', () => cut.resolve());
      const request = ask('GET', order.take);
      request.end();
      request.once('response', (response: IncomingMessage) => response.resume());
    };
    const leaving = new AbortController();
    const pushing = push(NAME, SEGMENT, token.secret, leaving.signal);
    setTimeout(() => leaving.abort(), 300);
    await expect(pushing).rejects.toThrow();
    await cut.promise;
  });

  it('that is refused for good is told once in the trail, and in the status until one is taken', async () => {
    takes(() => refused('log_segment_differs'));
    for (let tries = 0; tries < 3; tries++) expect(await push(NAME)).toMatchObject({ status: 409, code: 'log_segment_differs' });
    expect(acts().map(({ action, details }) => [action, details])).toEqual([
      ['log.push_refused', expect.objectContaining({ file: NAME, code: 'log_segment_differs' })],
    ]);
    expect(await stream()).toMatchObject({ state: 'broken', message: expect.stringContaining(NAME) });
    takes(() => ({ outcome: 'known' }));
    await push(NAME);
    expect((await stream()).state).not.toBe('broken');
  });

  it('without a size, with a wrong one, or of no name of the log is refused', async () => {
    expect(
      await push(NAME, new ReadableStream({ start: (controller) => (controller.enqueue(SEGMENT), controller.close()) })),
    ).toMatchObject({
      status: 422,
      code: 'log_segment_damaged',
    });
    expect(await push('passwd')).toMatchObject({ status: 422, code: 'invalid_input' });
    expect(taken).toEqual([]);
  });

  it('waits on its server while nobody follows', async () => {
    scheduler.worker.pushed = () => undefined;
    expect(await push(NAME)).toMatchObject({ status: 503, retryAfter: '5', code: 'unavailable' });
  }, 20_000);
});

describe('other files of the log', () => {
  it('are answered without a follower: a history is kept for the segments behind it, the others are not needed', async () => {
    const history = Buffer.from('1\t0/7000100\tno recovery target specified\n');
    expect(await push('00000002.history', history)).toMatchObject({ status: 201 });
    expect(await push('00000002.history', history)).toMatchObject({ status: 204 });
    expect(await push('00000002.history', Buffer.from('1\t0/8000100\tanother\n'))).toMatchObject({
      status: 409,
      code: 'log_segment_differs',
    });
    expect(await push('00000003.history', Buffer.from('nothing'))).toMatchObject({ status: 422, code: 'log_segment_damaged' });
    expect(await push('00000003.history', randomBytes(100_000))).toMatchObject({ status: 413 });
    for (const name of [`${NAME}.partial`, `${NAME}.00000028.backup`]) expect(await push(name)).toMatchObject({ status: 204 });
    expect(taken).toEqual([]);
    await push('000000020000000000000007');
    expect(taken[0]!.histories).toEqual([{ timeline: 2, content: history.toString('base64') }]);
  });
});

describe('a push token', () => {
  it('comes with the settings to copy, and stands in none of the commands', async () => {
    const { settings, secret } = token;
    expect(secret).toMatch(/^rhp_[0-9a-f]{32}_[0-9a-f]{64}_[0-9a-f]{8}$/);
    expect(settings.file).toEqual({ path: '/etc/rahat/push.conf', mode: '0600', content: `header = "Authorization: Bearer ${secret}"\n` });
    expect(settings.archiveCommand).toContain('--upload-file "%p" "https://backup.example.org/api/v2/log-pushes/%f"');
    expect(settings.sql).toContain(settings.archiveCommand);
    expect(settings.sql).not.toContain(secret);
    for (const url of ['https://x/$(id)', "https://x'", 'https://x/%p', 'https://x/ y', 'ftp://x'])
      expect((await scheduler.call('POST', tokens, { url })).status).toBe(422);
  });

  it('is kept as a hash, listed without its secret, replaced while both are good, and refused once revoked', async () => {
    const other = (await scheduler.call('POST', tokens, { url: 'https://backup.example.org' })).body as CreatedLogPushToken;
    await push(NAME);
    const { data } = (await scheduler.call('GET', tokens)).body;
    expect(data.map(({ id, lastUsedAt }: { id: string; lastUsedAt: string | null }) => [id, lastUsedAt !== null])).toEqual([
      [other.id, false],
      [token.id, true],
    ]);
    expect(await push(NAME, SEGMENT, other.secret)).toMatchObject({ status: 201 });
    expect((await scheduler.call('DELETE', `${tokens}/${other.id}`)).status).toBe(204);
    expect((await scheduler.call('DELETE', `${tokens}/${other.id}`)).status).toBe(404);
    expect(await push(NAME, SEGMENT, other.secret)).toMatchObject({ status: 401 });
    expect(await push(NAME, SEGMENT, `${token.secret.slice(0, -1)}${token.secret.endsWith('0') ? '1' : '0'}`)).toMatchObject({
      status: 401,
    });
    expect(await push(NAME, SEGMENT, 'nonsense')).toMatchObject({ status: 401 });
    expect(
      acts()
        .filter(({ action }) => action.startsWith('log_push_token'))
        .map(({ action }) => action),
    ).toEqual(['log_push_token.created', 'log_push_token.revoked']);
    const kept = JSON.stringify(await scheduler.sql('SELECT row_to_json(t) FROM scheduler.log_push_tokens t'));
    expect([kept, JSON.stringify(scheduler.told), JSON.stringify(data), scheduler.application.log()].join()).not.toContain(
      token.secret.slice(37, 101),
    );
  });

  it('is good for its own server alone', async () => {
    const elsewhere = await scheduler.plan();
    const foreign = (
      await scheduler.call('POST', `/api/v2/servers/${elsewhere.server}/log-push-tokens`, { url: 'https://backup.example.org' })
    ).body as CreatedLogPushToken;
    expect(await push(NAME, SEGMENT, foreign.secret)).toMatchObject({ status: 503, code: 'unavailable' });
    expect(taken).toEqual([]);
    expect((await scheduler.call('DELETE', `${tokens}/${foreign.id}`)).status).toBe(404);
  });

  it('waits while its plan is paused, and is refused when its server is deleted', async () => {
    await scheduler.call('POST', `/api/v2/plans/${plan}/pause`, {});
    await scheduler.eventually(async () => (await stream()).state === 'paused');
    expect(await push(NAME)).toMatchObject({ status: 503 });
    await scheduler.sql(`UPDATE scheduler.servers SET deleted_at = now() WHERE id = '${server}'`);
    expect(await push(NAME)).toMatchObject({ status: 401 });
  });
});

/** As curl does: with its length told. */
async function putSized(body: ReadableStream<Buffer>, length: number): Promise<number> {
  const { hostname, port } = new URL(scheduler.application.url);
  const headers = { authorization: `Bearer ${token.secret}`, 'content-length': String(length) };
  const request = openRequest({ hostname, port, path: `/api/v2/log-pushes/${NAME}`, method: 'PUT', headers, agent: false });
  const answered = once(request, 'response') as Promise<[IncomingMessage]>;
  for await (const piece of body) if (!request.write(piece)) await once(request, 'drain');
  request.end();
  const [response] = await answered;
  response.resume();
  return response.statusCode!;
}
