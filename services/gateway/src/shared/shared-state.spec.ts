import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { hasRedis, startRedis, type RedisServer } from '@rahat/test-servers';
import type { AnswerStore, ClaimedRequest, KeptAnswer } from '../idempotency/answer-store.js';
import { PostgresqlAnswers } from '../idempotency/postgresql-answers.js';
import { RedisAnswers } from '../idempotency/redis-answers.js';
import type { LimitCounter } from '../limits/limit-counter.js';
import { MemoryCounter } from '../limits/memory-counter.js';
import { PostgresqlCounter } from '../limits/postgresql-counter.js';
import { RedisCounter } from '../limits/redis-counter.js';
import { startGatewayDatabase, type GatewayDatabase } from '../testing/gateway-database.js';
import { SharedRedis } from './shared-redis.js';
import { sharedInRedis, sweep } from './shared-state.js';

let postgresql: GatewayDatabase;
let redisServer: RedisServer | undefined;
const connections: SharedRedis[] = [];

beforeAll(async () => {
  postgresql = await startGatewayDatabase();
  if (hasRedis()) redisServer = await startRedis();
});
afterAll(async () => {
  for (const connection of connections) connection.close();
  await redisServer?.[Symbol.asyncDispose]();
  await postgresql?.[Symbol.asyncDispose]();
});

/** Each as another gateway. */
async function redis(): Promise<SharedRedis> {
  const connection = new SharedRedis(redisServer!.url, 'test');
  connections.push(connection);
  // Commands fail until it is connected.
  for (;;) {
    if ((await connection.run('return 1', [], []).catch(() => 0)) === 1) return connection;
    await sleep(5);
  }
}

const places = hasRedis() ? ['PostgreSQL', 'Redis'] : ['PostgreSQL'];

describe.each([...places, 'memory'])('counts in %s', (place) => {
  const memory = new MemoryCounter();
  const open = async (): Promise<LimitCounter> =>
    place === 'Redis' ? new RedisCounter(await redis()) : place === 'PostgreSQL' ? new PostgresqlCounter(postgresql.database) : memory;

  it('go up with each request of a key, whichever gateway takes it, and begin again after the window', async () => {
    const gateways = [await open(), await open()];
    const [busy, quiet] = [randomUUID(), randomUUID()];
    const counts = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        gateways[index % 2]!.take([{ key: busy, windowSeconds: 60 }, ...(index === 0 ? [{ key: quiet, windowSeconds: 1 }] : [])]),
      ),
    );
    expect(counts.map(([count]) => count!.used).sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
    for (const [count] of counts) expect(count!.resetSeconds).toBeGreaterThan(50);
    await sleep(1_100);
    expect(
      await gateways[1]!.take([
        { key: quiet, windowSeconds: 7 },
        { key: busy, windowSeconds: 60 },
      ]),
    ).toMatchObject([{ used: 1, resetSeconds: 7 }, { used: 21 }]);
  });
});

describe.each(places)('answers in %s', (place) => {
  const open = async (claimSeconds?: number): Promise<AnswerStore> =>
    place === 'Redis' ? new RedisAnswers(await redis(), claimSeconds) : new PostgresqlAnswers(postgresql.database, claimSeconds);
  const request = (change: Partial<ClaimedRequest> = {}): ClaimedRequest => ({
    organization: 'org_1',
    id: randomUUID(),
    fingerprint: 'f',
    ...change,
  });
  const answer: KeptAnswer = { status: 201, headers: { location: '/x' }, body: '{"a":"\\u0000ü"}' };

  it('let one of many make a request, and give its answer to the others', async () => {
    const gateways = [await open(), await open()];
    const made = request();
    const claims = await Promise.all(Array.from({ length: 10 }, (_, index) => gateways[index % 2]!.claim(made)));
    expect(claims.map(({ state }) => state).sort()).toEqual(['mine', ...Array<string>(9).fill('under-way')]);
    const [mine] = claims.filter((claim) => claim.state === 'mine');
    await gateways[1]!.settle(made, mine!.token, answer);
    expect(await gateways[0]!.claim(made)).toEqual({ state: 'done', answer });
    expect(await gateways[0]!.claim({ ...made, fingerprint: 'other' })).toEqual({ state: 'other' });
  });

  it('know that a request was made whose answer was not to be kept', async () => {
    const store = await open();
    const made = request();
    const claim = await store.claim(made);
    if (claim.state === 'mine') await store.settle(made, claim.token, null);
    expect(await store.claim(made)).toEqual({ state: 'done', answer: null });
  });

  it('forget a request that was released, and belong to one organization', async () => {
    const store = await open();
    const made = request();
    const claim = await store.claim(made);
    expect(await store.claim({ ...made, organization: 'org_2', fingerprint: 'other' })).toMatchObject({ state: 'mine' });
    if (claim.state === 'mine') await store.release(made, claim.token);
    expect(await store.claim({ ...made, fingerprint: 'other' })).toMatchObject({ state: 'mine' });
  });

  it('let a claim run out that nobody renews, and believe its holder no more', async () => {
    const store = await open(1);
    const made = request();
    const lost = await store.claim(made);
    await sleep(500);
    if (lost.state === 'mine') await store.renew(made, lost.token);
    await sleep(700);
    expect(await store.claim(made)).toEqual({ state: 'under-way' });
    await sleep(500);
    const next = await store.claim(made);
    expect(next.state).toBe('mine');
    if (lost.state === 'mine') {
      await store.settle(made, lost.token, answer);
      await store.release(made, lost.token);
    }
    expect(await store.claim(made)).toEqual({ state: 'under-way' });
  });
});

it('what has had its time is swept away', async () => {
  const store = new PostgresqlAnswers(postgresql.database, 0);
  await store.claim({ organization: 'org_sweep', id: 'old', fingerprint: 'f' });
  await new PostgresqlAnswers(postgresql.database).claim({ organization: 'org_sweep', id: 'young', fingerprint: 'f' });
  await sweep(postgresql.database);
  const stored = await postgresql.stored();
  expect(stored).toContain('young');
  expect(stored).not.toContain('"old"');
});

(hasRedis() ? it : it.skip)('a Redis that is away refuses at once, and is used again when it is back', async () => {
  const server = await startRedis();
  const shared = sharedInRedis(server.url, 'test');
  const take = () =>
    shared.counter.take([{ key: 'a', windowSeconds: 60 }]).then(
      () => 'counted',
      () => 'refused',
    );
  const until = async (outcome: string) => {
    while ((await take()) !== outcome) await sleep(10);
  };
  try {
    await until('counted');
    await server.stop();
    await until('refused');
    await expect(shared.answers.claim({ organization: 'o', id: 'i', fingerprint: 'f' })).rejects.toThrow();
    await server.restart();
    await until('counted');
  } finally {
    await shared.close();
    await server[Symbol.asyncDispose]();
  }
});
