import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { AuthenticatedSubject } from '@rahat/contracts';
import { METRICS, type Registry } from '@rahat/service-kit';
import { startTestApplication, type TestApplication } from '@rahat/service-kit/testing';
import { configSchema, GatewayModule, sharedInDatabase } from '../index.js';
import { startGatewayDatabase, type GatewayDatabase } from '../testing/gateway-database.js';
import { ServiceBehind } from '../testing/service-behind.js';

const ADA = {
  kind: 'user',
  subject: 'user_1',
  name: 'Ada',
  organization: 'org_1',
  role: 'operator',
  scopes: ['*'],
  serverGroups: null,
  expiresAt: '2100-01-01T00:00:00.000Z',
  session: 'session_1',
} satisfies AuthenticatedSubject;

const READS_AT_ONCE = 4;
/** Long enough for what is to happen while something waits. */
const LONGEST_WAIT_MS = 3_000;
const OF_ONE_NETWORK = READS_AT_ONCE / 2;

describe('a gateway before a service that answers late', () => {
  const scheduler = new ServiceBehind();
  const held: ServerResponse[] = [];
  let gateway: TestApplication;
  let database: GatewayDatabase;
  let authenticated = 0;

  beforeAll(async () => {
    database = await startGatewayDatabase();
    await scheduler.listen();
    const config = configSchema.parse({
      RAHAT_TRUSTED_PROXIES: 1,
      RAHAT_GATEWAY_READS_AT_ONCE: READS_AT_ONCE,
      RAHAT_GATEWAY_WRITES_AT_ONCE: 2,
      RAHAT_GATEWAY_LONGEST_WAIT_SECONDS: LONGEST_WAIT_MS / 1000,
    });
    const services = {
      RAHAT_SCHEDULER_URL: `http://127.0.0.1:${scheduler.port}`,
      RAHAT_AUTH_URL: `http://127.0.0.1:${scheduler.port}`,
    };
    const post = async (_service: string, path: string, body: { asked: object[] }) => {
      // Asked again is about those that were let in, however many are refused.
      if (path.endsWith('/again')) return { subjects: body.asked.map(() => ADA) };
      authenticated += 1;
      return ADA;
    };
    const internal = { post } as unknown as Parameters<typeof GatewayModule.register>[0]['internal'];
    const shared = sharedInDatabase(database.database, 'one');
    gateway = await startTestApplication((runtime) => GatewayModule.register({ runtime, config, internal, services, shared }), undefined, {
      bodies: 'left',
    });
  });
  afterEach(async () => {
    answerAll();
    scheduler.behaviour = (_request, response) => response.end('{}');
    while ((await metric('rahat_gateway_requests_in_flight', 'read')) + (await metric('rahat_gateway_requests_waiting', 'read')) > 0)
      await sleep(5);
  });
  afterAll(async () => {
    await gateway?.close();
    await scheduler.close();
    await database?.[Symbol.asyncDispose]();
  });

  const holdReads = () =>
    (scheduler.behaviour = (request, response) => {
      if (request.method === 'GET' && !request.url!.endsWith('/events')) held.push(response);
      else response.end('{}');
    });
  const answerAll = () => held.splice(0).forEach((response) => response.end('{"late":true}'));
  const ask = (path: string, network: number, init: RequestInit = {}) =>
    fetch(gateway.url + path, {
      ...init,
      headers: { authorization: `Bearer token-${network}`, 'x-forwarded-for': `10.0.${network}.1`, ...init.headers },
    });
  const metric = async (name: string, kind: string): Promise<number> => {
    const text = await gateway.get<Registry>(METRICS).getSingleMetricAsString(name);
    return Number(new RegExp(`\\{.*class="${kind}".*\\} (\\d+)`).exec(text)?.[1] ?? 0);
  };
  const until = async (name: string, value: number, kind = 'read') => {
    while ((await metric(name, kind)) !== value) await sleep(5);
  };
  /** As many reads as there are places are under way. */
  const fill = async () => {
    holdReads();
    const reads = Array.from({ length: READS_AT_ONCE }, (_, index) => ask('/api/v2/plans', index));
    while (held.length < READS_AT_ONCE) await sleep(5);
    return reads;
  };

  it('refuses reads that would wait too long, with a code and a time to come back, and serves those that it let in', async () => {
    const reads = await fill();
    const [asked, shed] = [authenticated, await metric('rahat_gateway_shed_requests_total', 'read')];
    const began = performance.now();
    const late = await ask('/api/v2/plans', 9);
    expect(performance.now() - began).toBeGreaterThan(LONGEST_WAIT_MS - 50);
    expect([late.status, late.headers.get('content-type')]).toEqual([503, 'application/problem+json; charset=utf-8']);
    expect(['2', '3', '4', '5']).toContain(late.headers.get('retry-after'));
    const problem = (await late.json()) as { type: string };
    expect(problem).toMatchObject({ code: 'overloaded', retryable: true, hint: expect.stringContaining('again') });
    expect(await (await fetch(gateway.url + problem.type)).text()).toContain('overloaded (HTTP 503)');
    expect(await metric('rahat_gateway_shed_requests_total', 'read')).toBe(shed + 1);
    // Neither auth nor the service was troubled.
    expect([authenticated, held.length]).toEqual([asked, READS_AT_ONCE]);
    expect(gateway.log()).not.toContain('"code":"overloaded"');
    expect(gateway.log().match(/some are refused/g)).toHaveLength(1);
    answerAll();
    expect(await Promise.all(reads.map(async (read) => (await read).json()))).toEqual(Array(READS_AT_ONCE).fill({ late: true }));
    scheduler.behaviour = (_request, response) => response.end('{}');
    expect((await ask('/api/v2/plans', 9)).status).toBe(200);
  });

  it('keeps writes, cancels, log-ins, live events and its own page out of the crowd of reads', async () => {
    const reads = await fill();
    const waiting = Array.from({ length: READS_AT_ONCE }, (_, index) => ask('/api/v2/plans', 10 + index));
    await until('rahat_gateway_requests_waiting', READS_AT_ONCE);
    const statuses = await Promise.all([
      ask('/api/v2/plans/plan_1/runs', 1, { method: 'POST' }),
      ask('/api/v2/runs/run_1/cancel', 1, { method: 'POST' }),
      ask('/api/v2/sessions', 1, { method: 'POST', body: '{}' }),
      ask('/api/v2/runs/run_1/events', 1),
      ask('/', 1),
    ]);
    expect(statuses.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
    // Where even those who wait are too many it is told at once.
    const began = performance.now();
    expect((await ask('/api/v2/plans', 20)).status).toBe(503);
    expect(performance.now() - began).toBeLessThan(LONGEST_WAIT_MS - 500);
    answerAll();
    await until('rahat_gateway_requests_waiting', 0);
    answerAll();
    scheduler.behaviour = (_request, response) => response.end('{}');
    for (const answer of await Promise.all([...reads, ...waiting])) expect([200, 503]).toContain(answer.status);
  });

  it('gives the place of who has gone to who waits, at once', async () => {
    holdReads();
    const leave = new AbortController();
    const leaving = Array.from({ length: READS_AT_ONCE }, (_, index) => ask('/api/v2/plans', index, { signal: leave.signal }));
    const left = Promise.allSettled(leaving);
    while (held.length < READS_AT_ONCE) await sleep(5);
    held.splice(0);
    const next = ask('/api/v2/plans', 9);
    await until('rahat_gateway_requests_waiting', 1);
    leave.abort();
    await left;
    while (held.length === 0) await sleep(5);
    answerAll();
    expect((await next).status).toBe(200);
  });

  it('leaves half of the places to the others, whatever one network asks for and however slowly it sends', async () => {
    holdReads();
    const greedy = Array.from({ length: OF_ONE_NETWORK + 1 }, () => ask('/api/v2/plans', 1));
    while (held.length < OF_ONE_NETWORK) await sleep(5);
    const other = ask('/api/v2/plans', 2);
    while (held.length <= OF_ONE_NETWORK) await sleep(5);
    expect(await metric('rahat_gateway_requests_in_flight', 'read')).toBe(OF_ONE_NETWORK + 1);
    answerAll();
    expect((await other).status).toBe(200);
    while (held.length === 0) await sleep(5);
    answerAll();
    await Promise.all(greedy);

    scheduler.behaviour = (request, response) => void request.resume().once('end', () => response.end('{}'));
    const leave = new AbortController();
    const slow = ask('/api/v2/plans', 1, {
      method: 'POST',
      body: new ReadableStream({ start: (controller) => controller.enqueue(Buffer.from('{')) }),
      duplex: 'half',
      signal: leave.signal,
    } as RequestInit).catch(() => 'gone');
    await until('rahat_gateway_requests_in_flight', 1, 'write');
    expect((await ask('/api/v2/plans', 2, { method: 'POST', body: '{}' })).status).toBe(200);
    const behind = ask('/api/v2/plans', 1, { method: 'POST', body: '{}' });
    await until('rahat_gateway_requests_waiting', 1, 'write');
    leave.abort();
    expect([await slow, (await behind).status]).toEqual(['gone', 200]);
  });
});
