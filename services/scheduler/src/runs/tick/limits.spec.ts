import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { Run } from '@rahat/contracts';
import { startTestScheduler, type TestScheduler } from '../../testing/start-test-scheduler.js';

let scheduler: TestScheduler;
beforeAll(async () => {
  scheduler = await startTestScheduler();
});
afterAll(async () => scheduler?.[Symbol.asyncDispose]());
afterEach(() => {
  scheduler.scripts.length = 0;
});

const MINUTE = 60_000;
const now = () => scheduler.clock.now().toISOString();
const read = async (run: Run): Promise<Run> => (await scheduler.call('GET', `/api/v2/runs/${run.id}`)).body;

/** A run whose worker is there and does nothing else than to say so. */
async function running(change: object) {
  scheduler.scripts.push((attempt) => attempt.start());
  const plan = await scheduler.plan({ maxAttempts: 1, ...change });
  const [run] = (await scheduler.call('POST', `/api/v2/plans/${plan.id}/runs`)).body.runs as [Run];
  await scheduler.until(run.id, 'running');
  await scheduler.tick();
  const attempt = scheduler.attempts.find(({ spec }) => spec.run === run.id)!;
  const heartbeatAt = async () =>
    (await scheduler.sql(`SELECT heartbeat_at FROM scheduler.runs WHERE id = '${run.id}'`))[0]!['heartbeat_at'] as Date;
  return {
    run,
    spec: attempt.spec,
    async livesFor(minutes: number, tells?: (minute: number) => Promise<void>) {
      for (let minute = 0; minute < minutes; minute++) {
        // Half a minute at a time, so that it is never taken for lost.
        for (let half = 0; half < 2; half++) {
          scheduler.clock.advance(MINUTE / 2);
          const before = await heartbeatAt();
          if (half === 0) await tells?.(minute);
          await attempt.tell('attempt.heartbeat.v1', { worker: 'worker-1', at: now() });
          for (let tries = 0; tries < 2000 && (await heartbeatAt()) <= before && (await read(run)).state === 'running'; tries++)
            await new Promise((resolve) => setTimeout(resolve, 10));
        }
        await scheduler.tick();
      }
    },
    tellProgress: (bytes: number) => attempt.tell('attempt.progress.v1', { phase: 'dumping', bytes, at: now() }),
  };
}

describe('the limits of a run', () => {
  it('reach the worker with its spec', async () => {
    const { spec, run } = await running({ deadlineMinutes: 90, noProgressMinutes: 7 });
    expect(spec.noProgressSeconds).toBe(420);
    expect(Math.round((Date.parse(spec.deadline!) - scheduler.clock.now().getTime()) / MINUTE)).toBe(90);
    await scheduler.call('POST', `/api/v2/runs/${run.id}/cancel`);
  });

  it('end it at its deadline when the worker lives but does not', async () => {
    const { run, livesFor } = await running({ deadlineMinutes: 3, noProgressMinutes: 60 });
    await livesFor(4);
    expect((await read(run)).state).toBe('running');
    await livesFor(2);
    expect(await read(run)).toMatchObject({
      state: 'failed',
      error: { code: 'deadline_exceeded', message: 'The attempt did not end within 3 minutes' },
    });
  });

  it('end it when nothing moves although the worker lives, and not while something does', async () => {
    const { run, livesFor, tellProgress } = await running({ deadlineMinutes: 600, noProgressMinutes: 2 });
    await livesFor(6, (minute) => tellProgress(minute + 1));
    expect((await read(run)).state).toBe('running');
    // The same again and again is no progress.
    await livesFor(5, () => tellProgress(6));
    expect(await read(run)).toMatchObject({
      state: 'failed',
      error: { code: 'deadline_exceeded', message: expect.stringContaining('Nothing moved for 2 minutes') },
    });
  });

  it('do not count while it is paused', async () => {
    const { run, livesFor } = await running({ deadlineMinutes: 600, noProgressMinutes: 2 });
    await scheduler.call('POST', `/api/v2/runs/${run.id}/pause`);
    await livesFor(6);
    expect((await read(run)).state).toBe('running');
    await scheduler.call('POST', `/api/v2/runs/${run.id}/resume`);
    await livesFor(5);
    expect((await read(run)).state).toBe('failed');
  });
});
