import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startTestScheduler, type TestScheduler } from '../testing/start-test-scheduler.js';
import { brakeOn, planBrakeOn, weighLine } from './brake.js';
import type { RetentionDecision } from './retention.js';

const decided = (count: number, verdict: RetentionDecision['verdict'], due: boolean, since: Date | null = null) =>
  Array.from({ length: count }, () => ({ decision: { verdict, due }, row: { due_since: since } }));
const line = (dropped: number, kept: number) => [...decided(kept, 'kept', false), ...decided(dropped, 'dropped', true)];

it('lets the usual of one database go, and holds up what is far more', () => {
  expect(brakeOn(line(3, 1))).toBeUndefined();
  expect(brakeOn(line(4, 30))).toBeUndefined();
  expect(brakeOn(line(4, 3))).toEqual({ dropped: 4, of: 7 });
  expect(brakeOn(line(11, 500))).toEqual({ dropped: 11, of: 511 });
});

it('counts what becomes due, whether it can go already or not, and counts it once', () => {
  const delayed = (count: number, since: Date | null) => decided(count, 'kept', true, since);
  expect(brakeOn([...line(0, 3), ...delayed(5, null)])).toEqual({ dropped: 5, of: 8 });
  expect(brakeOn([...line(0, 3), ...decided(6, 'dropped', true, new Date())])).toBeUndefined();
  expect(brakeOn([...line(2, 3), ...delayed(30, new Date()), ...delayed(2, null)])).toBeUndefined();
});

it('holds up what became due too quickly, and lets go what was let go before', () => {
  const before = decided(2, 'dropped', true, new Date());
  const { brake, settled, heldUp } = weighLine([...line(4, 3), ...before], null);
  expect(brake).toEqual({ dropped: 4, of: 9 });
  expect(heldUp).toHaveLength(4);
  expect(settled).toEqual([...line(0, 3), ...before]);
  expect(weighLine(line(1, 3), { dropped: 9, of: 10 }).heldUp).toHaveLength(1);
});

it('holds a plan up that loses a few of each of its many databases', () => {
  const lines = (count: number, dropped: number, kept: number) => Array.from({ length: count }, () => line(dropped, kept));
  expect(planBrakeOn(lines(3, 1, 4))).toBeUndefined();
  expect(planBrakeOn(lines(1000, 3, 12))).toBeUndefined();
  expect(planBrakeOn(lines(1000, 3, 7))).toEqual({ dropped: 3000, of: 10_000 });
});

describe('a plan', () => {
  const WEEKLY_PROOF = { verify: [], verifySchedules: [{ level: 'FULL', cron: '0 5 * * 0' }] };
  interface Shown {
    kept: boolean;
    due: boolean;
  }
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
    // What retention has not looked at yet would meet the rules that the test sets next.
    await scheduler.eventually(async () => {
      const { data } = await get(`/api/v2/backups?plan=${plan}&limit=200`);
      return !data.some(({ retention }: { retention: { reason: string } }) => /has not looked/.test(retention.reason));
    });
  };
  const keepLast = (plan: string, count: number) =>
    scheduler.call('PATCH', `/api/v2/plans/${plan}`, { retention: { keepLast: count, keepProven: 1 } });
  const waiting = async (plan: string) =>
    (await get(`/api/v2/backups?plan=${plan}&limit=200`)).data.filter(({ retention }: { retention: { reason: string } }) =>
      /waits for confirmation/.test(retention.reason),
    ) as unknown[];
  const removed = (plan: string) => scheduler.removals.filter(({ backup }) => made.get(plan)!.has(backup)).length;
  const prove = async (plan: string): Promise<void> => {
    const [newest] = (await get(`/api/v2/backups?plan=${plan}`)).data;
    const { body } = await scheduler.call('POST', `/api/v2/backups/${newest.id}/verify`, { level: 'FULL' });
    await scheduler.until(body.id, 'succeeded');
  };
  const made = new Map<string, Set<string>>();
  const planOfFive = async (): Promise<string> => {
    const { id } = await scheduler.plan({ databases: NAMES, retention: { keepLast: 10, keepProven: 1 } });
    for (let taken = 0; taken < 5; taken += 1) await backUp(id);
    const { data } = await get(`/api/v2/backups?plan=${id}&limit=200`);
    made.set(id, new Set(data.map((backup: { id: string }) => backup.id)));
    expect(data).toHaveLength(25);
    return id;
  };

  it('that is proven by a weekly test restore lets a week of backups go without a question', async () => {
    const { id } = await scheduler.plan({ databases: ['a'], ...WEEKLY_PROOF, retention: { keepLast: 2, keepProven: 1 } });
    for (let taken = 0; taken < 7; taken += 1) await backUp(id);
    const due = async () => (await get(`/api/v2/plans/${id}/retention`)).backups.filter((backup: Shown) => backup.kept && backup.due);
    await scheduler.eventually(async () => (await due()).length === 5);
    await prove(id);
    await scheduler.eventually(async () => (await get(`/api/v2/plans/${id}/retention`)).backups.length === 2);
    expect(await waiting(id)).toEqual([]);
  });

  it('that was edited and would take a few backups of each database takes none before somebody confirmed it', async () => {
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

  it('that was edited, keeps less, and counts none of its backups as proven any more, is held up all the same', async () => {
    const { id } = await scheduler.plan({ databases: ['a'], retention: { keepLast: 10, keepProven: 1 } });
    for (let taken = 0; taken < 5; taken += 1) await backUp(id);
    await scheduler.call('PATCH', `/api/v2/plans/${id}`, { verify: ['BASIC'], retention: { keepLast: 1, keepProven: 1 } });
    await backUp(id);
    await scheduler.eventually(async () => (await waiting(id)).length === 5);
    expect(await get(`/api/v2/plans/${id}/retention`)).toMatchObject({ planBrake: { dropped: 5, of: 6 } });
  });

  it('that was edited, keeps less and wants proof first is held up before the first proof comes, and when it comes', async () => {
    const { id } = await scheduler.plan({ databases: ['a'], retention: { keepLast: 10, keepProven: 1 } });
    for (let taken = 0; taken < 6; taken += 1) await backUp(id);
    await scheduler.call('PATCH', `/api/v2/plans/${id}`, { ...WEEKLY_PROOF, retention: { keepLast: 2 } });
    await backUp(id);
    const path = `/api/v2/plans/${id}/retention`;
    const planBrake = { dropped: 5, of: 7 };
    await scheduler.eventually(async () => (await get(`/api/v2/backups?plan=${id}`)).data.length === 7);
    expect(await get(path)).toMatchObject({ planBrake });
    expect((await get(path)).backups.filter(({ kept, due }: Shown) => kept && due)).toHaveLength(5);
    await prove(id);
    await scheduler.eventually(async () => (await waiting(id)).length === 5);
    expect(await get(path)).toMatchObject({ planBrake, brakes: [planBrake] });
    await scheduler.call('POST', path, { hash: (await get(path)).hash });
    await scheduler.eventually(async () => (await get(path)).backups.length === 2);
  });

  it('that was edited and is edited back goes on without a word', async () => {
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
