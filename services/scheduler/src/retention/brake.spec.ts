import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startTestScheduler, type TestScheduler } from '../testing/start-test-scheduler.js';
import { brakeOn, planBrakeOn } from './brake.js';
import type { RetentionDecision } from './retention.js';

const line = (dropped: number, kept: number) =>
  [...Array.from({ length: kept }, () => 'kept' as const), ...Array.from({ length: dropped }, () => 'dropped' as const)].map((verdict) => ({
    decision: { verdict: verdict satisfies RetentionDecision['verdict'] },
  }));

it('lets the usual of one database go, and holds up what is far more', () => {
  expect(brakeOn(line(3, 1))).toBeUndefined();
  expect(brakeOn(line(4, 30))).toBeUndefined();
  expect(brakeOn(line(4, 3))).toEqual({ dropped: 4, of: 7 });
  expect(brakeOn(line(11, 500))).toEqual({ dropped: 11, of: 511 });
});

it('holds a plan up that loses a few of each of its many databases', () => {
  const lines = (count: number, dropped: number, kept: number) => Array.from({ length: count }, () => line(dropped, kept));
  expect(planBrakeOn(lines(3, 1, 4))).toBeUndefined();
  expect(planBrakeOn(lines(1000, 3, 12))).toBeUndefined();
  expect(planBrakeOn(lines(1000, 3, 7))).toEqual({ dropped: 3000, of: 10_000 });
});

describe('an edited plan', () => {
  const NAMES = ['a', 'b', 'c', 'd', 'e'];
  let scheduler: TestScheduler;
  beforeAll(async () => {
    scheduler = await startTestScheduler();
    scheduler.worker.databases = NAMES;
  });
  afterAll(async () => scheduler?.[Symbol.asyncDispose]());

  const get = async (path: string) => (await scheduler.call('GET', path)).body;
  const backUp = async (plan: string): Promise<void> => {
    const { runs } = (await scheduler.call('POST', `/api/v2/plans/${plan}/runs`)).body;
    await Promise.all(runs.map(({ id }: { id: string }) => scheduler.until(id, 'succeeded')));
  };
  const keepLast = (plan: string, count: number) =>
    scheduler.call('PATCH', `/api/v2/plans/${plan}`, { retention: { keepLast: count, keepProven: 1 } });
  const waiting = async (plan: string) =>
    (await get(`/api/v2/backups?plan=${plan}&limit=200`)).data.filter(({ retention }: { retention: { reason: string } }) =>
      /waits for confirmation/.test(retention.reason),
    ) as unknown[];
  const removed = (plan: string) => scheduler.removals.filter(({ backup }) => made.get(plan)!.has(backup)).length;
  const made = new Map<string, Set<string>>();
  const planOfFive = async (): Promise<string> => {
    const { id } = await scheduler.plan({ databases: NAMES, retention: { keepLast: 10, keepProven: 1 } });
    for (let taken = 0; taken < 5; taken += 1) await backUp(id);
    const { data } = await get(`/api/v2/backups?plan=${id}&limit=200`);
    made.set(id, new Set(data.map((backup: { id: string }) => backup.id)));
    expect(data).toHaveLength(25);
    return id;
  };

  it('that would take a few backups of each database takes none before somebody confirmed it', async () => {
    const plan = await planOfFive();
    await keepLast(plan, 4);
    const path = `/api/v2/plans/${plan}/retention`;
    expect(await get(path)).toMatchObject({ planBrake: null });
    await keepLast(plan, 2);
    expect(await get(path)).toMatchObject({ planBrake: { dropped: 15, of: 25 }, brakes: [] });

    await backUp(plan);
    await scheduler.eventually(async () => (await waiting(plan)).length >= 15);
    await backUp(plan);
    expect(removed(plan)).toBe(0);
    const { hash, planBrake } = await get(path);
    expect(planBrake).toMatchObject({ of: expect.any(Number) });
    expect(await scheduler.call('POST', path, { hash })).toMatchObject({ body: { planBrake: null, brakes: [] } });
    await scheduler.eventually(async () => removed(plan) === 25);

    // From here on it goes its usual way.
    await backUp(plan);
    await scheduler.eventually(async () => (await get(path)).backups.length === 10);
    expect(await waiting(plan)).toEqual([]);
  });

  it('that keeps less, and counts none of its backups as proven any more, is held up all the same', async () => {
    const { id } = await scheduler.plan({ databases: ['a'], retention: { keepLast: 10, keepProven: 1 } });
    for (let taken = 0; taken < 5; taken += 1) await backUp(id);
    await scheduler.call('PATCH', `/api/v2/plans/${id}`, { verify: ['BASIC'], retention: { keepLast: 1, keepProven: 1 } });
    await backUp(id);
    await scheduler.eventually(async () => (await waiting(id)).length === 5);
    expect(await get(`/api/v2/plans/${id}/retention`)).toMatchObject({ planBrake: { dropped: 5, of: 6 } });
  });

  it('that is edited back goes on without a word', async () => {
    const plan = await planOfFive();
    await keepLast(plan, 1);
    await backUp(plan);
    await scheduler.eventually(async () => (await waiting(plan)).length > 0);
    await keepLast(plan, 6);
    await backUp(plan);
    await scheduler.eventually(async () => removed(plan) === 5);
    expect(await waiting(plan)).toEqual([]);
    expect(await get(`/api/v2/plans/${plan}/retention`)).toMatchObject({ planBrake: null });
  });
});
