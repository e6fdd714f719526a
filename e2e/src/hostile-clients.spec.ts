import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { apiKeysCreate, plansList, runsList } from '@rahat/api-client';
import { data } from '@rahat/demo';
import { processesOf } from './cluster.js';
import { ask, HostileClients, waitsOf } from './hostile-clients.js';
import { CLUSTER, shapes } from './shapes.js';
import { until } from './until.js';
import { openWorld, type World } from './world.js';

const [HEADERS, REQUEST, STALLED, IDLE] = [6, 10, 4, 5];
const MOST_OF_AN_ADDRESS = 1_000;
const ENVIRONMENT = {
  RAHAT_GATEWAY_HEADERS_TIMEOUT_SECONDS: String(HEADERS),
  RAHAT_GATEWAY_REQUEST_TIMEOUT_SECONDS: String(REQUEST),
  RAHAT_GATEWAY_STALLED_SECONDS: String(STALLED),
  RAHAT_GATEWAY_KEEP_ALIVE_SECONDS: String(IDLE),
  RAHAT_GATEWAY_CONNECTIONS_PER_ADDRESS: String(MOST_OF_AN_ADDRESS),
  RAHAT_GATEWAY_READS_PER_MINUTE: '100000',
  RAHAT_GATEWAY_WRITES_PER_MINUTE: '100000',
  RAHAT_GATEWAY_ADDRESS_REQUESTS_PER_MINUTE: '100000',
};
/** Whoever is held up by the others waits for one of the time limits, which are seconds. */
const GOOD_TIME_MS = 1_500;
/** Limits are looked at now and then, and this machine does other things, too. */
const SLACK_MS = 6_000;

describe.each(shapes(CLUSTER))('clients that mean no good ($form, $queues)', (shape) => {
  let world: World;
  let url: string;
  let key: string;
  beforeAll(async () => {
    world = await openWorld([], shape, { environment: ENVIRONMENT });
    url = world.platform.url;
    key = (await data(apiKeysCreate({ client: world.platform.client, body: { name: 'well-meaning', scopes: ['*'] } }))).secret;
  }, 180_000);
  afterAll(async () => world?.[Symbol.asyncDispose]());

  const expectOthersServed = async () => {
    const waits = (await waitsOf(url, key, '/api/v2/plans?limit=5')).toSorted((one, other) => one - other);
    // In the middle: this machine does other things, too.
    expect(waits[Math.floor(waits.length / 2)]).toBeLessThan(GOOD_TIME_MS);
  };
  const untilClosed = (hostile: HostileClients, limitSeconds: number) =>
    until(
      `all ${hostile.sockets.length} connections to be closed`,
      async () => hostile.closed === hostile.sockets.length || undefined,
      limitSeconds * 1000 + SLACK_MS,
    );
  const gatewayMb = async () => {
    const { pid } = (await processesOf(world)).find(({ service }) => service === 'gateway')!;
    return (Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))![1]) * 1024) / 1e6;
  };
  const head = (method: string, path: string, rest = '') =>
    `${method} ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key}\r\n${rest}\r\n`;

  it('and never end their headers are told so and cut off', async () => {
    using hostile = new HostileClients(url);
    await hostile.connect(500, 'GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ');
    hostile.drip('x', 200);
    await expectOthersServed();
    await untilClosed(hostile, HEADERS);
    expect(hostile.answered(/^HTTP\/1.1 408 .*"code":"request_timeout"/s)).toBe(500);
  });

  it('and send their bodies a letter at a time are cut off', async () => {
    using hostile = new HostileClients(url);
    await hostile.connect(300, head('POST', '/api/v2/server-groups', 'Content-Type: application/json\r\nContent-Length: 1000\r\n'));
    hostile.drip(' ', 200);
    await expectOthersServed();
    await untilClosed(hostile, REQUEST);
  });

  it('and send their log-ins a letter at a time take nobody his place at the entrance', async () => {
    using hostile = new HostileClients(url);
    await hostile.connect(
      12,
      'POST /api/v2/sessions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n',
    );
    hostile.drip(' ', 200);
    await sleep(500);
    const began = performance.now();
    const logIn = await ask(
      new URL('/api/v2/sessions', url),
      'POST',
      { 'content-type': 'application/json' },
      JSON.stringify({ email: world.owner.email, password: world.owner.password }),
    );
    expect(logIn).toBe(201);
    expect(performance.now() - began).toBeLessThan(2 * GOOD_TIME_MS);
    await untilClosed(hostile, REQUEST);
  });

  it('and hold connections open have so many of them, idle ones for a moment only', async () => {
    const before = await gatewayMb();
    using idle = new HostileClients(url);
    await idle.connect(MOST_OF_AN_ADDRESS / 2, head('GET', '/page/app.css'));
    await expectOthersServed();
    await untilClosed(idle, IDLE);
    expect(idle.answered(/^HTTP\/1.1 200 /)).toBe(MOST_OF_AN_ADDRESS / 2);
    using silent = new HostileClients(url);
    await silent.connect(MOST_OF_AN_ADDRESS + 100, '');
    await until('100 to be refused', async () => silent.answered(/^HTTP\/1.1 429 .*"code":"rate_limited"/s) >= 100 || undefined, 30_000);
    await expectOthersServed();
    expect((await gatewayMb()) - before).toBeLessThan(100);
    await untilClosed(silent, HEADERS);
  }, 90_000);

  it('and ask for much without reading it cost little and are cut off', async () => {
    const before = await gatewayMb();
    using hostile = new HostileClients(url);
    // Sixteen at once is what one connection may ask for; all of them would be more than 500 MB.
    await hostile.connect(60, head('GET', '/api/openapi.json').repeat(16), { reads: false });
    await expectOthersServed();
    expect((await gatewayMb()) - before).toBeLessThan(150);
    using flood = new HostileClients(url);
    await flood.connect(20, head('GET', '/api/openapi.json').repeat(400), { reads: false });
    await expectOthersServed();
    expect((await gatewayMb()) - before).toBeLessThan(150);
    // Who was cut off sees it when he reads.
    await sleep(STALLED * 1000 + SLACK_MS);
    for (const socket of [...hostile.sockets, ...flood.sockets]) socket.resume();
    await untilClosed(hostile, 2);
    await untilClosed(flood, 2);
  }, 90_000);

  it('and open streams of events without reading them leave the others theirs', async () => {
    const before = await gatewayMb();
    using hostile = new HostileClients(url);
    await hostile.connect(200, head('GET', '/api/v2/events'), { reads: false });
    await expectOthersServed();
    expect((await gatewayMb()) - before).toBeLessThan(100);
  });

  it('and begin thousands of lists leave nothing behind: a cursor holds all that there is to know', async () => {
    const { client } = world.platform;
    const runs = await until('two runs', async () => {
      const page = await data(runsList({ client, query: { limit: 1 } }));
      return page.page.nextCursor ?? undefined;
    });
    const before = await gatewayMb();
    const many = async () => {
      for (let page = 0; page < 50; page++)
        await ask(new URL('/api/v2/runs?limit=1', url), 'GET', { authorization: `Bearer ${key}` }).then((status) =>
          expect(status).toBe(200),
        );
    };
    await Promise.all([...Array.from({ length: 20 }, many), expectOthersServed()]);
    expect((await gatewayMb()) - before).toBeLessThan(100);
    expect((await data(runsList({ client, query: { limit: 1, cursor: runs } }))).data).toHaveLength(1);
  }, 120_000);

  it('and plan a backup for every minute a hundred times, or for every second, hold nobody up', async () => {
    const { client } = world.platform;
    const known = await until('the plan of the platform itself', async () => (await data(plansList({ client }))).data[0], 60_000);
    const outline = { servers: known.servers, repository: known.repository, method: known.method, databases: known.databases };
    const plan = (number: number, cron: string) =>
      ask(
        new URL('/api/v2/plans', url),
        'POST',
        { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
        JSON.stringify({ ...outline, name: `bomb ${number}`, cron }),
      );
    expect(await plan(0, '* * * * * *')).toBe(422);
    const made: number[] = [];
    for (let number = 0; number < 100; number += 5)
      made.push(...(await Promise.all([0, 1, 2, 3, 4].map((next) => plan(number + next, '* * * * *')))));
    // Who plants them may be told to wait; those who mean well may not.
    expect(made.filter((status) => status === 201).length).toBeGreaterThan(50);
    for (let look = 0; look < 5; look++) {
      await expectOthersServed();
      await sleep(1_000);
    }
  }, 120_000);
});
