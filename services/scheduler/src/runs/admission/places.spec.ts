import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { QUEUES, type Run } from '@rahat/contracts';
import { startTestScheduler, type TestScheduler } from '../../testing/start-test-scheduler.js';

let scheduler: TestScheduler;
beforeAll(async () => {
  scheduler = await startTestScheduler();
});
afterAll(async () => scheduler?.[Symbol.asyncDispose]());
afterEach(async () => {
  for (const { spec } of scheduler.attempts) await scheduler.call('POST', `/api/v2/runs/${spec.run}/cancel`);
  for (const attempt of scheduler.attempts) await attempt.finish({ outcome: 'cancelled' });
  scheduler.scripts.length = 0;
  scheduler.attempts.length = 0;
  await scheduler.eventually(
    async () => (await scheduler.sql(`SELECT 1 FROM scheduler.runs WHERE state IN ('due', 'queued', 'running')`)).length === 0,
  );
});

const start = async (plan: string): Promise<Run[]> => (await scheduler.call('POST', `/api/v2/plans/${plan}/runs`)).body.runs;
const read = async (run: Run): Promise<Run> => (await scheduler.call('GET', `/api/v2/runs/${run.id}`)).body;
/** Attempts that start and then stay. */
const staying = (count: number) =>
  scheduler.scripts.push(...Array.from({ length: count }, () => (attempt: { start(): Promise<void> }) => attempt.start()));

describe('places', () => {
  it('on a server are as many as it bears, and who waits is told for what', async () => {
    staying(2);
    const plan = await scheduler.plan({ databases: 'all' });
    const runs = await start(plan.id);
    const first = await scheduler.eventually(async () => (await Promise.all(runs.map(read))).find(({ state }) => state === 'running'));
    await scheduler.tick();
    const other = runs.find(({ id }) => id !== first.id)!;
    expect(await read(other)).toMatchObject({
      state: 'due',
      waitingFor: { reason: 'server', message: expect.stringContaining('bears 1 run at once') },
    });
    await scheduler.call('PATCH', `/api/v2/servers/${plan.server}`, { heavyRuns: 2 });
    await scheduler.until(other.id, 'running');
    expect((await read(other)).waitingFor).toBeNull();
  });

  it('on a storage and in a pool are as many as the organization says', async () => {
    staying(2);
    const runs = [...(await start((await scheduler.plan()).id))];
    await scheduler.until(runs[0]!.id, 'running');
    await scheduler.call('PUT', '/api/v2/scheduling', { blackouts: [], limits: { pools: {}, storages: { storage_known: 1 } } });
    const [waiting] = await start((await scheduler.plan()).id);
    await scheduler.tick();
    expect((await read(waiting!)).waitingFor).toMatchObject({ reason: 'storage' });
    await scheduler.call('PUT', '/api/v2/scheduling', { blackouts: [], limits: { pools: { default: 1 }, storages: {} } });
    await scheduler.tick();
    expect((await read(waiting!)).waitingFor).toMatchObject({ reason: 'pool' });
    await scheduler.call('PUT', '/api/v2/scheduling', { blackouts: [], limits: { pools: {}, storages: {} } });
    await scheduler.until(waiting!.id, 'running');
  });

  it('are given by priority, of the plan and of the type, which the queue hears, too', async () => {
    await scheduler.call('PUT', '/api/v2/scheduling', { blackouts: [], limits: { pools: { default: 1 }, storages: {} } });
    staying(1);
    const [holder] = await start((await scheduler.plan()).id);
    await scheduler.until(holder!.id, 'running');
    const [late, urgent] = [await scheduler.plan({ priority: 90 }), await scheduler.plan({ priority: 20 })];
    const [[second], [first]] = [await start(late.id), await start(urgent.id)];
    expect([second!.priority, first!.priority]).toEqual([70, 1]);
    await scheduler.call('PATCH', `/api/v2/plans/${late.id}`, { priority: 80 });
    expect((await read(second!)).priority).toBe(60);
    staying(1);
    await scheduler.attempts.find(({ spec }) => spec.run === holder!.id)!.finish({ outcome: 'cancelled' });
    await scheduler.call('POST', `/api/v2/runs/${holder!.id}/cancel`);
    await scheduler.until(first!.id, 'running');
    expect((await read(second!)).state).toBe('due');
    const sent = scheduler.told.filter(({ name }) => name === 'run.execute.v1') as {
      payload: { spec: { run: string } };
      priority: number;
    }[];
    expect(sent.find(({ payload }) => payload.spec.run === first!.id)!.priority).toBe(1);
    await scheduler.call('PUT', '/api/v2/scheduling', { blackouts: [], limits: { pools: {}, storages: {} } });
  });

  it('are never given twice by two schedulers that look at the same moment', async () => {
    staying(8);
    const plans = [await scheduler.plan(), await scheduler.plan(), await scheduler.plan()];
    await scheduler.call('PUT', '/api/v2/scheduling', { blackouts: [], limits: { pools: { default: 2 }, storages: {} } });
    await Promise.all(plans.map((plan) => start(plan.id)));
    await Promise.all(Array.from({ length: 6 }, () => scheduler.tick()));
    const held = await scheduler.sql(`SELECT 1 FROM scheduler.runs WHERE admitted_at IS NOT NULL AND state IN ('queued', 'running')`);
    expect(held).toHaveLength(2);
    await scheduler.call('PUT', '/api/v2/scheduling', { blackouts: [], limits: { pools: {}, storages: {} } });
  });

  it('need a worker that is alive, once its pool has told of any', async () => {
    const alive = (slots: number) =>
      scheduler.messaging.send(QUEUES.scheduler, 'worker.alive.v1', { worker: 'w1', pool: 'default', slots, at: new Date().toISOString() });
    const known = (slots: number) =>
      scheduler.eventually(async () => (await scheduler.sql(`SELECT 1 FROM scheduler.workers WHERE slots = ${slots}`)).length === 1);
    await alive(0);
    await known(0);
    const [run] = await start((await scheduler.plan()).id);
    await scheduler.tick();
    expect(await read(run!)).toMatchObject({
      state: 'due',
      waitingFor: { reason: 'worker', message: "No worker of the pool 'default' is running." },
    });
    await alive(2);
    await scheduler.until(run!.id, 'succeeded');
    await scheduler.sql(`DELETE FROM scheduler.workers`);
  });

  it('that are not found within the deadline leave a missed run, not one that waits for ever', async () => {
    staying(1);
    const plan = await scheduler.plan({ databases: 'all', deadlineMinutes: 30 });
    const runs = await start(plan.id);
    const running = await scheduler.eventually(async () => (await Promise.all(runs.map(read))).find(({ state }) => state === 'running'));
    const waiting = runs.find(({ id }) => id !== running.id)!;
    await scheduler.tick();
    for (let minute = 0; minute < 31; minute += 1) {
      scheduler.clock.advance(60_000);
      await scheduler.attempts[0]!.tell('attempt.heartbeat.v1', { worker: 'worker-1', at: new Date().toISOString() });
    }
    await scheduler.until(waiting.id, 'missed');
    expect((await read(waiting)).reasons[0]).toMatch(/found no place within 30 minutes.*bears 1 run/);
  });
});

describe('a paused run', () => {
  it('does not start while it waits, and starts when it is resumed', async () => {
    staying(1);
    const plan = await scheduler.plan({ databases: 'all' });
    const runs = await start(plan.id);
    const running = await scheduler.eventually(async () => (await Promise.all(runs.map(read))).find(({ state }) => state === 'running'));
    const waiting = runs.find(({ id }) => id !== running.id)!;
    expect((await scheduler.call('POST', `/api/v2/runs/${waiting.id}/pause`)).body).toMatchObject({
      pause: { by: 'Ada' },
      waitingFor: { reason: 'paused' },
    });
    await scheduler.attempts[0]!.finish({ outcome: 'error', error: { code: 'tool_failed', message: 'x', retryable: false } });
    await scheduler.until(running.id, 'failed');
    await scheduler.tick();
    expect((await read(waiting)).state).toBe('due');
    expect((await scheduler.call('POST', `/api/v2/runs/${waiting.id}/resume`)).status).toBe(202);
    await scheduler.until(waiting.id, 'succeeded');
    expect((await scheduler.call('POST', `/api/v2/runs/${waiting.id}/pause`)).status).toBe(409);
  });

  it('is told to its worker, again until it shows effect; one that the source could not wait for costs no try', async () => {
    const heard: unknown[] = [];
    for (const topic of ['run.pause', 'run.resume'])
      await scheduler.messaging.onSignal(topic, (payload) => heard.push(`${topic} ${payload['run']}`));
    staying(1);
    const [run] = await start((await scheduler.plan({ maxAttempts: 1 })).id);
    await scheduler.until(run!.id, 'running');
    await scheduler.call('POST', `/api/v2/runs/${run!.id}/pause`);
    await scheduler.eventually(async () => heard.filter((signal) => signal === `run.pause ${run!.id}`).length >= 3);
    const [attempt] = scheduler.attempts;
    await attempt!.tell('attempt.progress.v1', { phase: 'paused', bytes: 1, at: new Date().toISOString() });
    await scheduler.eventually(async () => (await read(run!)).progress?.phase === 'paused');
    await attempt!.finish({ outcome: 'error', error: { code: 'pause_expired', message: 'too long', retryable: true } });
    await scheduler.until(run!.id, 'queued');
    await scheduler.tick();
    expect(await read(run!)).toMatchObject({ state: 'queued', attempt: 2, maxAttempts: 2, waitingFor: { reason: 'paused' } });
    await scheduler.call('POST', `/api/v2/runs/${run!.id}/resume`);
    expect(await scheduler.until(run!.id, 'succeeded')).toMatchObject({ attempt: 2, pause: null });
  });
});
