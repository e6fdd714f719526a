import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startTestScheduler, type TestScheduler } from '../../testing/start-test-scheduler.js';

let scheduler: TestScheduler;
beforeAll(async () => {
  scheduler = await startTestScheduler();
});
afterAll(async () => scheduler?.[Symbol.asyncDispose]());

const HOUR = 3_600_000;
const runsOf = async (plan: string, filter = '') =>
  (await scheduler.call('GET', `/api/v2/runs?plan=${plan}&limit=200${filter}`)).body.data as { state: string; dueAt: string; id: string }[];
/** Every four hours, the next occurrence an hour from now. */
const cronFromNow = () =>
  `${scheduler.clock.now().getUTCMinutes()} ${[1, 5, 9, 13, 17, 21]
    .map((hour) => (scheduler.clock.now().getUTCHours() + hour) % 24)
    .sort((a, b) => a - b)
    .join(',')} * * *`;
const change = (plan: string, body: object) => scheduler.call('PATCH', `/api/v2/plans/${plan}`, body);

describe('the ledger of expected runs', () => {
  it('stands 48 hours ahead, follows its plan, and is not doubled by a tick or a clock set back', async () => {
    const plan = await scheduler.plan({ cron: cronFromNow() });
    await scheduler.tick();
    const expected = await runsOf(plan.id, '&state=expected');
    expect(expected).toHaveLength(12);
    expect((await scheduler.call('GET', `/api/v2/plans/${plan.id}`)).body.nextRuns[0]).toBe(expected.at(-1)!.dueAt);
    expect(await runsOf(plan.id)).toEqual([]);

    await change(plan.id, { cron: '0 3 * * *' });
    await scheduler.tick();
    expect((await runsOf(plan.id, '&state=expected')).map((run) => run.dueAt.slice(11, 16))).toEqual(['03:00', '03:00']);
    await change(plan.id, { schedules: [] });
    await scheduler.tick();
    expect(await runsOf(plan.id, '&state=expected')).toEqual([]);
  });

  it('starts a run once although the clock is set back an hour', async () => {
    const plan = await scheduler.plan({ cron: cronFromNow() });
    await scheduler.tick();
    scheduler.clock.advance(HOUR);
    const [run] = await scheduler.eventually(async () => ((list) => list.length === 1 && list)(await runsOf(plan.id)));
    await scheduler.until(run!.id, 'succeeded');
    scheduler.clock.set(-HOUR);
    await change(plan.id, { deadlineMinutes: 30 });
    await scheduler.tick();
    scheduler.clock.set(HOUR);
    await scheduler.tick();
    await scheduler.tick();
    expect(await runsOf(plan.id)).toHaveLength(1);
  });

  it('does not take workers for lost when the clock jumps', async () => {
    const plan = await scheduler.plan();
    scheduler.scripts.push((attempt) => attempt.start());
    const [run] = (await scheduler.call('POST', `/api/v2/plans/${plan.id}/runs`)).body.runs;
    await scheduler.until(run.id, 'running');
    await scheduler.tick();
    for (const jump of [HOUR, -2 * HOUR, HOUR]) {
      scheduler.clock.set(jump);
      await scheduler.tick();
    }
    expect((await scheduler.call('GET', `/api/v2/runs/${run.id}`)).body).toMatchObject({ state: 'running', attempt: 1 });
    scheduler.clock.advance(46_000);
    await scheduler.tick();
    expect((await scheduler.call('GET', `/api/v2/runs/${run.id}`)).body.attempt).toBe(2);
  });

  it('leaves red rows for the time when nothing ran, and catches up once, or not at all', async () => {
    const [patient, skipping] = [
      await scheduler.plan({ cron: cronFromNow() }),
      await scheduler.plan({ cron: cronFromNow(), catchUp: 'skip' }),
    ];
    await scheduler.tick();
    scheduler.clock.advance(10 * HOUR);
    await scheduler.tick();
    expect((await runsOf(patient.id, '&state=missed')).length).toBe(3);
    expect((await runsOf(patient.id)).filter((run) => run.state !== 'missed')).toHaveLength(1);
    expect((await runsOf(skipping.id)).map((run) => run.state)).toEqual(['missed', 'missed', 'missed']);
    const { databases } = (await scheduler.call('GET', '/api/v2/status')).body;
    expect(databases.find((line: { plan: string }) => line.plan === skipping.id)).toMatchObject({
      state: 'failing',
      failuresSinceSuccess: 3,
    });
  });

  it('takes up new databases of a plan for all, and leaves vanished and excluded ones out', async () => {
    const plan = await scheduler.plan({ databases: 'all', cron: '0 3 * * *' });
    const names = async () => {
      await scheduler.tick();
      return new Set(
        (await scheduler.sql(`SELECT database_name FROM scheduler.runs WHERE plan_id = '${plan.id}' AND state = 'expected'`)).map(
          (row) => row['database_name'],
        ),
      );
    };
    expect(await names()).toEqual(new Set(['shop', 'crm']));
    scheduler.worker.databases = ['shop', 'new'];
    await scheduler.call('POST', `/api/v2/servers/${plan.server}/discover`);
    expect(await names()).toEqual(new Set(['shop', 'new']));
    const found = (await scheduler.call('GET', `/api/v2/servers/${plan.server}/databases`)).body.data as {
      id: string;
      name: string;
      missingSince: string | null;
    }[];
    expect(found.map(({ name, missingSince }) => [name, missingSince !== null])).toEqual([
      ['crm', true],
      ['new', false],
      ['shop', false],
    ]);
    await scheduler.call('PATCH', `/api/v2/servers/${plan.server}/databases/${found[1]!.id}`, { excluded: true });
    expect(await names()).toEqual(new Set(['shop']));
    scheduler.worker.databases = ['shop', 'crm'];
  });

  it('refuses states that evidence or attempts do not carry, in the database itself', async () => {
    const plan = await scheduler.plan();
    scheduler.loseCommands(1);
    const [run] = (await scheduler.call('POST', `/api/v2/plans/${plan.id}/runs`)).body.runs;
    for (const state of ['succeeded', 'running', 'green']) {
      await expect(scheduler.sql(`UPDATE scheduler.runs SET state = '${state}' WHERE id = '${run.id}'`)).rejects.toThrow(
        /violates check constraint/,
      );
    }
  });
});
