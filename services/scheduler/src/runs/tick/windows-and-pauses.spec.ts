import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { Run } from '@rahat/contracts';
import { startTestScheduler, type TestScheduler } from '../../testing/start-test-scheduler.js';

let scheduler: TestScheduler;
beforeAll(async () => {
  scheduler = await startTestScheduler();
});
afterAll(async () => scheduler?.[Symbol.asyncDispose]());
afterEach(async () => {
  scheduler.scripts.length = 0;
  // Their hours would take the next test's scripts.
  for (const { id } of (await scheduler.call('GET', '/api/v2/plans?limit=200')).body.data)
    await scheduler.call('DELETE', `/api/v2/plans/${id}`);
  await scheduler.tick();
});

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const runsOf = async (plan: string, filter = '') =>
  (await scheduler.call('GET', `/api/v2/runs?plan=${plan}&limit=200${filter}`)).body.data as Run[];
/** Every hour, next in a minute: not in a second, which the test itself would need until it looks. */
const soon = () => {
  const now = scheduler.clock.now().getTime();
  scheduler.clock.advance(MINUTE - (now % MINUTE));
  return `${new Date(now + 2 * MINUTE).getUTCMinutes()} * * * *`;
};
const inHours = (hours: number) => new Date(scheduler.clock.now().getTime() + hours * HOUR).toISOString();
const window = (hours: number) => ({ kind: 'dated', from: inHours(-1), to: inHours(hours), reason: 'month end' });
const eachState = (runs: Run[]) => runs.map(({ state }) => state);

describe('a paused plan', () => {
  it('tells each of its occurrences as skipped, by whom and why, and goes on when it is resumed', async () => {
    const plan = await scheduler.plan({ cron: soon() });
    await scheduler.tick();
    const paused = await scheduler.call('POST', `/api/v2/plans/${plan.id}/pause`, { reason: 'migration' });
    expect(paused.body).toMatchObject({ enabled: false, nextRuns: [], pause: { by: 'Ada', reason: 'migration', until: null } });
    scheduler.clock.advance(3 * HOUR);
    await scheduler.tick();
    const skipped = await runsOf(plan.id);
    expect(eachState(skipped)).toEqual(['skipped', 'skipped', 'skipped']);
    expect(skipped[0]!.reasons).toEqual(['The plan was paused by Ada: migration']);
    expect((await runsOf(plan.id, '&state=expected')).length).toBeGreaterThan(40);
    const { databases } = (await scheduler.call('GET', '/api/v2/status')).body;
    expect(databases.find((line: { plan: string }) => line.plan === plan.id)).toMatchObject({
      state: 'never',
      nextRunAt: null,
      failuresSinceSuccess: 0,
    });

    expect((await scheduler.call('POST', `/api/v2/plans/${plan.id}/resume`)).body).toMatchObject({ enabled: true, pause: null });
    scheduler.clock.advance(MINUTE);
    await scheduler.tick();
    expect((await runsOf(plan.id)).filter(({ state }) => state !== 'skipped')).toHaveLength(1);
  });

  it('is resumed by itself at the end that it was given', async () => {
    const plan = await scheduler.plan({ cron: soon() });
    const { status } = await scheduler.call('POST', `/api/v2/plans/${plan.id}/pause`, { until: inHours(2) });
    expect([status, (await scheduler.call('POST', `/api/v2/plans/${plan.id}/pause`, { until: inHours(-1) })).status]).toEqual([200, 422]);
    await scheduler.tick();
    scheduler.clock.advance(3 * HOUR);
    await scheduler.tick();
    expect((await scheduler.call('GET', `/api/v2/plans/${plan.id}`)).body.enabled).toBe(true);
    expect(new Set(eachState(await runsOf(plan.id)))).toContain('skipped');
  });
});

describe('a blackout window', () => {
  it('moves what is due inside to its end, where one run stands for all', async () => {
    const plan = await scheduler.plan({
      cron: `${new Date(scheduler.clock.now().getTime() + 30 * MINUTE).getUTCMinutes()} * * * *`,
      blackouts: [window(3)],
    });
    await scheduler.tick();
    const moved = (await runsOf(plan.id, '&state=expected')).filter((run) => run.dueAt !== run.occursAt);
    expect(moved.map(({ dueAt }) => dueAt)).toEqual([moved[0]!.dueAt, moved[0]!.dueAt, moved[0]!.dueAt]);
    scheduler.clock.advance(2 * HOUR);
    await scheduler.tick();
    expect(await runsOf(plan.id)).toEqual([]);
    scheduler.clock.advance(HOUR);
    await scheduler.eventually(async () => (await runsOf(plan.id)).some(({ state }) => state === 'succeeded'));
    expect(eachState(await runsOf(plan.id)).sort()).toEqual(['skipped', 'skipped', 'succeeded']);
  });

  it('of the server or the organization holds too, and what it skips is told', async () => {
    const plan = await scheduler.plan({ cron: soon(), blackoutPolicy: { due: 'skip', running: 'finish' } });
    await scheduler.call('PATCH', `/api/v2/servers/${plan.server}`, { blackouts: [window(1.2)] });
    await scheduler.tick();
    scheduler.clock.advance(2 * MINUTE);
    await scheduler.tick();
    expect((await runsOf(plan.id))[0]).toMatchObject({ state: 'skipped', reasons: ['It was due in the blackout window month end.'] });

    await scheduler.call('PATCH', `/api/v2/servers/${plan.server}`, { blackouts: [] });
    const rules = { blackouts: [window(5)], limits: { pools: {}, storages: {} } };
    expect((await scheduler.call('PUT', '/api/v2/scheduling', rules)).body).toEqual(rules);
    scheduler.clock.advance(HOUR);
    await scheduler.tick();
    expect(eachState(await runsOf(plan.id))).toEqual(['skipped', 'skipped']);
    await scheduler.call('PUT', '/api/v2/scheduling', { ...rules, blackouts: [] });
  });

  it('cancels what it finds running where the plan says so, and leaves alone what a person started', async () => {
    const start = async (change: object) => scheduler.plan({ blackoutPolicy: { due: 'move', running: 'cancel' }, ...change });
    scheduler.scripts.push(
      (attempt) => attempt.start(),
      (attempt) => attempt.start(),
    );
    const [scheduled, manual] = [await start({ cron: soon() }), await start({})];
    await scheduler.tick();
    scheduler.clock.advance(MINUTE);
    await scheduler.call('POST', `/api/v2/plans/${manual.id}/runs`);
    const running = async (plan: string) => scheduler.eventually(async () => (await runsOf(plan)).find(({ state }) => state === 'running'));
    const [run, person] = [await running(scheduled.id), await running(manual.id)];
    for (const plan of [scheduled, manual]) await scheduler.call('PATCH', `/api/v2/plans/${plan.id}`, { blackouts: [window(1)] });
    await scheduler.tick();
    await scheduler.attempts.find(({ spec }) => spec.run === run.id)!.finish({ outcome: 'cancelled' });
    expect((await scheduler.until(run.id, 'cancelled')).reasons).toEqual(['Cancelled by its plan: the blackout window month end began.']);
    expect((await scheduler.call('GET', `/api/v2/runs/${person.id}`)).body.state).toBe('running');
    await scheduler.attempts.find(({ spec }) => spec.run === person.id)!.finish({ outcome: 'cancelled' });
  });
});

describe('several schedules', () => {
  it('of types that the method does not make are refused by what the connector declares', async () => {
    const plan = await scheduler.plan();
    const schedules = [
      { type: 'full', cron: '@weekly' },
      { type: 'incremental', cron: '0 3 * * 1-6' },
    ];
    expect(await scheduler.call('PATCH', `/api/v2/plans/${plan.id}`, { schedules })).toMatchObject({
      status: 422,
      body: { code: 'backup_type_unsupported', detail: 'postgresql.logical makes no incremental backups', hint: 'It makes: full.' },
    });
    expect((await scheduler.call('POST', `/api/v2/plans/${plan.id}/runs?type=log`)).body.code).toBe('backup_type_unsupported');
  });

  it('stand in the ledger together, once where they meet, and reach the worker and the catalog with their type', async () => {
    const cron = soon();
    const plan = await scheduler.plan({
      schedules: [
        { type: 'full', cron },
        { type: 'full', cron: `${cron.split(' ')[0]} */2 * * *`, timeZone: 'UTC' },
        { type: 'full', cron: '@daily' },
      ],
    });
    await scheduler.tick();
    const expected = await runsOf(plan.id, '&state=expected');
    expect(new Set(expected.map(({ dueAt }) => dueAt)).size).toBe(expected.length);
    scheduler.clock.advance(MINUTE);
    const run = await scheduler.eventually(async () => (await runsOf(plan.id)).find(({ state }) => state === 'succeeded'));
    expect(run.backupType).toBe('full');
    expect(scheduler.attempts.find(({ spec }) => spec.run === run.id)!.spec).toMatchObject({ backupType: 'full' });
    expect((await scheduler.call('GET', `/api/v2/backups/${run.backup}`)).body.type).toBe('full');
    const { schedules } = (await scheduler.call('GET', `/api/v2/plans/${plan.id}`)).body;
    const patched = (await scheduler.call('PATCH', `/api/v2/plans/${plan.id}`, { schedules: [{ cron: '@hourly' }, { cron: '@daily' }] }))
      .body;
    expect(patched.schedules.map(({ id }: { id: string }) => schedules.some((before: { id: string }) => before.id === id))).toEqual([
      false,
      true,
    ]);
  });
});

describe('the explanation of a schedule', () => {
  const explain = async (query: string) => scheduler.call('GET', `/api/v2/plans/explain?${query}`);
  it('tells words in both languages, next runs, changes of the clock and collisions', async () => {
    const plan = await scheduler.plan({ cron: '40 2 * * *', timeZone: 'Europe/Berlin' });
    const { body } = await explain(`cron=${encodeURIComponent('30 2 * * *')}&timeZone=Europe/Berlin&server=${plan.server}`);
    expect(body).toMatchObject({ inWords: 'At 02:30 (Europe/Berlin)', timeZone: 'Europe/Berlin' });
    expect(body.nextRuns).toHaveLength(5);
    expect(body.clockChanges.map(({ kind }: { kind: string }) => kind).sort()).toEqual(['doubled', 'skipped']);
    expect(body.collisions).toHaveLength(5);
    expect(body.collisions[0]).toMatchObject({ plan: plan.id });
    expect(Date.parse(body.collisions[0].otherAt) - Date.parse(body.collisions[0].at)).toBe(10 * MINUTE);
    expect((await explain(`cron=${encodeURIComponent('30 2 * * *')}&language=tr`)).body.inWords).toBe('Saat 02:30 (UTC)');
    expect((await explain(`cron=${encodeURIComponent('30 2 * * *')}&server=${plan.server}&plan=${plan.id}`)).body.collisions).toEqual([]);
    expect(await explain('cron=never')).toMatchObject({ status: 422, body: { errors: [{ pointer: '#/cron' }] } });
  });
});
