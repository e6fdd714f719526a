import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { Run } from '@rahat/contracts';
import { failWith } from '../testing/scripts.js';
import { PASSWORD, startTestScheduler, type TestScheduler } from '../testing/start-test-scheduler.js';

let scheduler: TestScheduler;
beforeAll(async () => {
  scheduler = await startTestScheduler();
});
afterAll(async () => scheduler?.[Symbol.asyncDispose]());
afterEach(() => {
  scheduler.scripts.length = 0;
});

const start = async (plan: string): Promise<Run[]> => (await scheduler.call('POST', `/api/v2/plans/${plan}/runs`)).body.runs;
const read = async (run: Run): Promise<Run> => (await scheduler.call('GET', `/api/v2/runs/${run.id}`)).body;
const attemptsOf = (run: Run) => scheduler.attempts.filter(({ spec }) => spec.run === run.id);

describe('what a plan may ask of its source', () => {
  it('is nothing by default; an edit changes what it names; what makes no sense is refused', async () => {
    const { id } = await scheduler.plan();
    const plan = `/api/v2/plans/${id}`;
    const before = (await scheduler.call('GET', plan)).body;
    expect(before.source).toEqual({ from: 'primary', lagSeconds: 60 });
    expect(new Set(Object.values(before.sourceLimits))).toEqual(new Set([null]));
    await scheduler.call('PATCH', plan, { sourceLimits: { bytesPerSecond: 5_000_000, yieldSeconds: 30 } });
    const { body } = await scheduler.call('PATCH', plan, { sourceLimits: { yieldSeconds: null, lockWaits: 4 } });
    expect(body.sourceLimits).toMatchObject({ bytesPerSecond: 5_000_000, yieldSeconds: null, lockWaits: 4 });
    for (const wrong of [{ bytesPerSecond: 1 }, { ioWaitShare: 1.5 }, { yieldSeconds: 0 }, { unknown: 1 }])
      expect((await scheduler.call('PATCH', plan, { sourceLimits: wrong })).status).toBe(422);
    expect((await scheduler.call('PATCH', plan, { source: { from: 'anywhere' } })).status).toBe(422);
  });

  it('reaches the worker with the ways to the standbys, and only where it is asked for', async () => {
    const plain = await scheduler.plan();
    const [unbounded] = await start(plain.id);
    await scheduler.until(unbounded!.id, 'succeeded');
    const [without] = attemptsOf(unbounded!);
    expect(without!.spec).not.toHaveProperty('source');
    expect(without!.spec).not.toHaveProperty('sourceLimits');
    expect(without!.secrets.standbys).toBeUndefined();

    const standbys = [{ host: 'db2.example', port: 5433 }];
    expect((await scheduler.call('PATCH', `/api/v2/servers/${plain.server}`, { standbys })).body.standbys).toEqual(standbys);
    await scheduler.call('PATCH', `/api/v2/plans/${plain.id}`, { source: { from: 'replica-only' }, sourceLimits: { lockWaits: 4 } });
    const [bounded] = await start(plain.id);
    await scheduler.until(bounded!.id, 'succeeded');
    const [attempt] = attemptsOf(bounded!);
    // The first backup told the server's identity.
    expect(attempt!.spec).toMatchObject({
      source: { from: 'replica-only', lagSeconds: 60, identity: '7' },
      sourceLimits: { lockWaits: 4 },
    });
    expect(attempt!.secrets.standbys).toEqual([
      expect.objectContaining({ host: 'db2.example', port: 5433, user: 'backup', password: PASSWORD }),
    ]);
    expect(JSON.stringify(attempt!.spec)).not.toContain(PASSWORD);
  });

  it('is so many of its backups on one server at once, however many the server bears', async () => {
    scheduler.scripts.push((attempt) => attempt.start());
    const plan = await scheduler.plan({ databases: 'all', sourceLimits: { runsAtOnce: 1 } });
    await scheduler.call('PATCH', `/api/v2/servers/${plan.server}`, { heavyRuns: 5 });
    const runs = await start(plan.id);
    const first = await scheduler.eventually(async () => (await Promise.all(runs.map(read))).find(({ state }) => state === 'running'));
    await scheduler.tick();
    const other = runs.find(({ id }) => id !== first.id)!;
    expect(await read(other)).toMatchObject({
      state: 'due',
      waitingFor: { reason: 'server', message: expect.stringMatching(/^The plan lets the server '.*' bear 1 run at once/) },
    });
    await scheduler.call('PATCH', `/api/v2/plans/${plan.id}`, { sourceLimits: { runsAtOnce: null } });
    await scheduler.until(other.id, 'succeeded');
    await scheduler.call('POST', `/api/v2/runs/${first.id}/cancel`);
    await attemptsOf(first)[0]!.finish({ outcome: 'cancelled' });
  });

  it('is tried again later when it had to give way, which counts as a try', async () => {
    scheduler.scripts.push(failWith('source_yielded', true));
    const plan = await scheduler.plan({ maxAttempts: 2 });
    const [run] = await start(plan.id);
    await scheduler.eventually(async () => (await read(run!)).error?.code === 'source_yielded');
    expect(await read(run!)).toMatchObject({ state: 'queued', attempt: 2, maxAttempts: 2, error: { code: 'source_yielded' } });
    scheduler.clock.advance(10 * 60_000);
    expect(await scheduler.until(run!.id, 'succeeded', 'failed')).toMatchObject({ state: 'succeeded', attempt: 2 });
  });
});
