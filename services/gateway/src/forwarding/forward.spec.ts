import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { request as openRequest, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { buffer, text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { AuthenticatedSubject } from '@rahat/contracts';
import { startTestApplication, type TestApplication } from '@rahat/service-kit/testing';
import { configSchema, GatewayModule, sharedInDatabase } from '../index.js';
import { startGatewayDatabase, type GatewayDatabase } from '../testing/gateway-database.js';
import { ServiceBehind } from '../testing/service-behind.js';
import { ownerOf } from './owners.js';

const ADA: AuthenticatedSubject = {
  kind: 'user',
  subject: 'user_1',
  name: 'Ada',
  organization: 'org_1',
  role: 'operator',
  scopes: ['plan:read'],
  serverGroups: null,
  expiresAt: '2100-01-01T00:00:00.000Z',
  session: 'session_1',
};

/** Without looking at the signature. */
const claimsOf = (token: unknown) => JSON.parse(Buffer.from(String(token).split('.')[1]!, 'base64url').toString()) as object;

describe('the gateway in front of services of their own', () => {
  const [plans, audit] = [new ServiceBehind(), new ServiceBehind()];
  let gateway: TestApplication;
  let database: GatewayDatabase;

  beforeAll(async () => {
    database = await startGatewayDatabase();
    const shared = sharedInDatabase(database.database, 'several');
    const config = configSchema.parse({ RAHAT_GATEWAY_ANSWER_TIMEOUT_SECONDS: 2 });
    await plans.listen();
    await audit.listen();
    const services = {
      RAHAT_SCHEDULER_URL: `http://127.0.0.1:${plans.port}`,
      // Nobody listens at the first one.
      RAHAT_AUDIT_URL: `http://127.0.0.1:1,http://127.0.0.1:${audit.port}`,
      RAHAT_AUTH_URL: 'http://127.0.0.1:1',
    };
    const internal = { post: async () => ADA } as unknown as Parameters<typeof GatewayModule.register>[0]['internal'];
    gateway = await startTestApplication((runtime) => GatewayModule.register({ runtime, config, internal, services, shared }), undefined, {
      bodies: 'left',
    });
  });
  afterEach(() => {
    plans.behaviour = audit.behaviour = (_request, response) => response.end('{}');
  });
  afterAll(async () => {
    await gateway.close();
    await Promise.all([plans.close(), audit.close()]);
    await database[Symbol.asyncDispose]();
  });

  const ask = async (path: string, init: RequestInit = {}) =>
    fetch(gateway.url + path, { ...init, headers: { authorization: 'Bearer good', ...init.headers } });

  it('hands a request on with its caller, its address and its id, and without its credential', async () => {
    let seen: IncomingMessage | undefined;
    plans.behaviour = (request, response) => {
      seen = request;
      response.writeHead(201, { 'x-of-the-service': 'yes', connection: 'close' }).end('{"made":true}');
    };
    const answer = await ask('/api/v2/plans?x=%2F', { headers: { 'rahat-address': 'forged', 'rahat-principal': 'forged' } });
    expect([answer.status, answer.headers.get('x-of-the-service'), await answer.text()]).toEqual([201, 'yes', '{"made":true}']);
    expect(seen!.url).toBe('/api/v2/plans?x=%2F');
    expect(claimsOf(seen!.headers['rahat-principal'])).toMatchObject({ sub: 'user_1', organization: 'org_1' });
    expect(claimsOf(seen!.headers['rahat-principal'])).toMatchObject({ address: '127.0.0.1' });
    expect(seen!.headers['rahat-address']).toBeUndefined();
    expect(seen!.headers['x-request-id']).toBe(answer.headers.get('x-request-id'));
    expect(seen!.headers.authorization).toBeUndefined();
  });

  it('says where a request without a caller comes from', async () => {
    let seen: IncomingMessage | undefined;
    plans.behaviour = (request, response) => {
      seen = request;
      response.end('{}');
    };
    await fetch(`${gateway.url}/api/v2/plans`, { headers: { 'rahat-address': 'forged' } });
    expect(claimsOf(seen!.headers['rahat-address'])).toMatchObject({ sub: '127.0.0.1', aud: 'rahat-addresses' });
  });

  it('asks over a connection that it kept, and over a new one when the service closes that meanwhile', async () => {
    const used = new Map<object, number>();
    plans.behaviour = (request, response) => {
      const times = (used.get(request.socket) ?? 0) + 1;
      used.set(request.socket, times);
      if (times === 3) request.socket.destroy();
      else response.end('{}');
    };
    for (let turn = 0; turn < 4; turn++) {
      const answer = await ask('/api/v2/plans');
      expect([answer.status, await answer.text()]).toEqual([200, '{}']);
      // It goes back to those that are kept in a tick of its own.
      await sleep(20);
    }
    expect([...used.values()]).toEqual([3, 1, 1]);
  });

  it('streams a body up and the answer down, piece by piece', async () => {
    const megabytes = Buffer.alloc(3_000_000, 'x');
    const documents = '/api/v2/documents/apply';
    plans.behaviour = (request, response) => {
      response.writeHead(200);
      request.pipe(response);
    };
    const answer = await ask(documents, { method: 'POST', body: megabytes });
    expect((await buffer(answer.body!)).equals(megabytes)).toBe(true);

    const gone = Promise.withResolvers<void>();
    plans.behaviour = (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n');
      response.once('close', gone.resolve);
    };
    const leave = new AbortController();
    const events = await ask('/api/v2/runs/run_1/events', { signal: leave.signal });
    const first = await events.body!.getReader().read();
    expect(Buffer.from(first.value as Uint8Array).toString()).toBe('data: 1\n\n');
    leave.abort();
    await gone.promise;
  });

  it('hands on an answer that comes before the body was read', async () => {
    plans.behaviour = (_request, response) => response.writeHead(413).end('too large');
    const request = openRequest(`${gateway.url}/api/v2/plans`, { method: 'POST', headers: { authorization: 'Bearer good' } });
    request.on('error', () => undefined);
    request.write(Buffer.alloc(1_000_000));
    const [answer] = (await once(request, 'response')) as [IncomingMessage];
    expect([answer.statusCode, await text(answer)]).toEqual([413, 'too large']);
    request.destroy();
  });

  const endless = () =>
    new ReadableStream({
      async pull(controller) {
        controller.enqueue(Buffer.alloc(16_384, ' '));
        await sleep(1);
      },
    });
  it.each([
    ['of a told length', () => ({ body: Buffer.alloc(2_000_000) }), {}],
    ['without an end', () => ({ body: endless(), duplex: 'half' }), {}],
    ['that is to be made once, of a told length', () => ({ body: Buffer.alloc(2_000_000) }), { 'idempotency-key': 'large' }],
    ['that is to be made once, without an end', () => ({ body: endless(), duplex: 'half' }), { 'idempotency-key': 'endless' }],
  ])('refuses a body %s when it is too large for its path, and lets the service go', async (what, body, headers) => {
    let received = 0;
    let left: Promise<unknown> | undefined;
    plans.behaviour = (request) => {
      left = new Promise((resolve) => request.once('close', resolve));
      request.on('error', () => undefined).on('data', (part: Buffer) => (received += part.length));
    };
    const answer = await ask('/api/v2/plans', { method: 'POST', headers, ...body() } as RequestInit);
    expect([answer.status, answer.headers.get('content-type')]).toEqual([413, 'application/problem+json; charset=utf-8']);
    expect(await answer.json()).toMatchObject({ code: 'payload_too_large', detail: expect.stringContaining('1024 KiB') });
    expect(received).toBeLessThanOrEqual(1024 * 1024);
    await left;
    expect(left === undefined).toBe(what !== 'without an end');
  });

  it('asks another replica when nobody listens at one', async () => {
    for (let turn = 0; turn < 3; turn++) expect((await ask('/api/v2/audit')).status).toBe(200);
  });

  it('waits for a service that is just being restarted, whatever the request carries', async () => {
    let received = '';
    plans.behaviour = async (request, response) => {
      received = await text(request);
      response.end('{}');
    };
    await plans.close();
    const asked = ask('/api/v2/plans', { method: 'POST', body: 'the whole body' });
    await sleep(300);
    await plans.listen();
    expect((await asked).status).toBe(200);
    expect(received).toBe('the whole body');
  });

  it('takes a path as it came: dots lead nowhere else', async () => {
    const paths: string[] = [];
    plans.behaviour = (request, response) => {
      paths.push(request.url!);
      response.writeHead(404).end();
    };
    for (const path of ['/api/v2/plans/../../../internal/v1/x', '/api/v2/plans/%2e%2e/%2e%2e/internal']) {
      const request = openRequest(`${gateway.url}/`, { path, headers: { authorization: 'Bearer good' } }).end();
      await once(request, 'response');
      request.destroy();
    }
    expect(paths).toEqual(['/api/v2/plans/../../../internal/v1/x', '/api/v2/plans/%2e%2e/%2e%2e/internal']);
  });

  it.each(['/internal/v1/authenticate', '/api/v2/nothing', '//127.0.0.1/api/v2/plans'])('has nothing at %s', async (path) => {
    const socket = connect({ host: '127.0.0.1', port: Number(new URL(gateway.url).port) });
    socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    expect(await text(socket)).toMatch(/^HTTP\/1.1 404 /);
  });

  it('says that a service cut an answer off, by cutting it off too', async () => {
    plans.behaviour = (_request, response) => {
      response.writeHead(200, { 'content-length': '10' }).write('half');
      setImmediate(() => response.destroy());
    };
    const answer = await ask('/api/v2/plans');
    await expect(answer.text()).rejects.toThrow();
    plans.behaviour = (request) => void request.socket.destroy();
    const broken = await ask('/api/v2/plans');
    expect(broken.status).toBe(503);
    expect(await broken.json()).toMatchObject({ code: 'unavailable' });
    expect(broken.headers.get('retry-after')).toBe('5');
  });

  it('gives up a service that takes a request and says nothing', async () => {
    plans.behaviour = () => undefined;
    const answer = await ask('/api/v2/plans');
    expect([answer.status, answer.headers.get('content-type')]).toEqual([504, 'application/problem+json; charset=utf-8']);
    expect(await answer.json()).toMatchObject({ code: 'deadline_exceeded', retryable: true });
  });

  it('sees a POST with an Idempotency-Key through, and makes it once', async () => {
    const bodies: string[] = [];
    let answerNow: () => void = () => undefined;
    plans.behaviour = async (request, response) => {
      bodies.push(await text(request));
      await new Promise<void>((resolve) => (answerNow = resolve));
      response.writeHead(202, { 'content-type': 'application/json', location: '/api/v2/runs/run_1' }).write('{"run":');
      response.end('"run_1"}');
    };
    const post = (signal?: AbortSignal, body = '{ "a": 1 }') =>
      ask('/api/v2/plans/plan_1/runs', {
        method: 'POST',
        body,
        signal,
        headers: { 'idempotency-key': 'once', 'content-type': 'application/json' },
      });
    const leave = new AbortController();
    const left = post(leave.signal).catch(() => 'left');
    while (bodies.length === 0) await sleep(5);
    leave.abort();
    expect(await left).toBe('left');
    expect((await post()).status).toBe(409);
    answerNow();
    let answer = await post();
    while (answer.status === 409) answer = await post();
    expect([answer.status, answer.headers.get('location'), answer.headers.get('idempotency-replayed'), await answer.text()]).toEqual([
      202,
      '/api/v2/runs/run_1',
      'true',
      '{"run":"run_1"}',
    ]);
    expect((await post(undefined, '{"a":1}')).status).toBe(202);
    expect((await post(undefined, '{"a":2}')).status).toBe(422);
    expect(bodies).toEqual(['{ "a": 1 }']);

    plans.behaviour = (request) => void request.socket.destroy();
    const broken = () => ask('/api/v2/plans', { method: 'POST', body: '{}', headers: { 'idempotency-key': 'twice' } });
    expect([(await broken()).status, (await broken()).status]).toEqual([503, 503]);
  });
});

describe('owners of paths', () => {
  it.each([
    ['/api/v2/plans', 'scheduler'],
    ['/API/V2/Plans/', 'scheduler'],
    ['/api/v2/restore-plans/x?y', 'scheduler'],
    ['/.well-known/jwks.json', 'auth'],
    ['/api/v2/constructor', undefined],
    ['/api/v2', undefined],
    ['/', undefined],
  ])('%s → %s', (path, owner) => expect(ownerOf(path)).toBe(owner));

  it('are known for the whole API; a new first segment belongs into OWNERS', async () => {
    const { paths } = JSON.parse(await readFile(new URL('../../../../libs/api-client/openapi.json', import.meta.url), 'utf8')) as {
      paths: object;
    };
    expect(Object.keys(paths).filter((path) => ownerOf(path) === undefined)).toEqual([]);
  });
});
