import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Run } from '@rahat/contracts';
import { failWith, succeed, withEvidence } from '../testing/scripts.js';
import { startTestScheduler, type TestScheduler } from '../testing/start-test-scheduler.js';

let scheduler: TestScheduler;
beforeAll(async () => {
  scheduler = await startTestScheduler();
});
afterAll(async () => scheduler?.[Symbol.asyncDispose]());

const HOUR = 3_600_000;
const verifications = async (plan: string, filter = ''): Promise<Run[]> =>
  (await scheduler.call('GET', `/api/v2/runs?plan=${plan}&type=verification&limit=200${filter}`)).body.data;
const ended = (plan: string, count: number) =>
  scheduler.eventually(async () => {
    const runs = await verifications(plan);
    return runs.length === count && runs.every(({ finishedAt }) => finishedAt !== null) && runs;
  });
async function backUp(plan: string): Promise<string> {
  const [started] = (await scheduler.call('POST', `/api/v2/plans/${plan}/runs`)).body.runs;
  return (await scheduler.until(started.id, 'succeeded')).backup!;
}
/** Twice a day, first in an hour. */
const cronFromNow = () => {
  const now = scheduler.clock.now();
  return `${now.getUTCMinutes()} ${[1, 13]
    .map((hour) => (now.getUTCHours() + hour) % 24)
    .sort((a, b) => a - b)
    .join(',')} * * *`;
};

describe('sampled verification', () => {
  it('looks at the first backup and every nth after it, level by level', async () => {
    const plan = await scheduler.plan({ verify: ['BASIC', 'FULL'], verifyEvery: { FULL: 3 } });
    const backups: string[] = [];
    for (const runsSoFar of [2, 3, 4, 6]) {
      backups.push(await backUp(plan.id));
      await ended(plan.id, runsSoFar);
    }
    const full = (await verifications(plan.id)).filter(({ level }) => level === 'FULL');
    expect(full.map(({ backup }) => backup).sort()).toEqual([backups[0], backups[3]].sort());
  });

  it('looks at the next backup when it could not look at the chosen one', async () => {
    const plan = await scheduler.plan({ verify: ['FULL'], verifyEvery: { FULL: 5 } });
    scheduler.scripts.push(succeed, failWith('storage_permission_denied', false));
    await backUp(plan.id);
    await ended(plan.id, 1);
    const second = await backUp(plan.id);
    expect((await ended(plan.id, 2)).find(({ backup }) => backup === second)).toMatchObject({ state: 'succeeded', level: 'FULL' });
  });
});

describe('assertions of a plan', () => {
  const orders = { name: 'orders', sql: 'SELECT count(*) FROM orders', expect: { kind: 'value' as const, equals: 5 } };
  const broken = [{ name: 'orders', passed: false, message: "Assertion 'orders' failed: expected 5, found 4.", milliseconds: 1 }];
  const holding = [{ name: 'orders', passed: true, message: "Assertion 'orders' holds: expected 5, found 5.", milliseconds: 1 }];

  it('go to test restores of their database only, and a failed one costs the proof but is no damage', async () => {
    const plan = await scheduler.plan({
      verify: ['BASIC', 'FULL'],
      assertions: [orders, { ...orders, name: 'elsewhere', database: 'crm' }],
    });
    scheduler.scripts.push(succeed, succeed, withEvidence({ assertions: holding }));
    const backup = await backUp(plan.id);
    await ended(plan.id, 2);
    const get = async () => (await scheduler.call('GET', `/api/v2/backups/${backup}`)).body;
    expect(await get()).toMatchObject({ proof: 'FULL', provenAt: expect.any(String) });
    const asked = scheduler.attempts.flatMap(({ spec }) => (spec.type === 'verification' ? [[spec.level, spec.assertions]] : [])).slice(-2);
    expect(asked).toEqual([
      ['BASIC', []],
      ['FULL', [{ ...orders, timeoutSeconds: 30 }]],
    ]);

    scheduler.scripts.push(withEvidence({ assertions: broken }));
    const again = (await scheduler.call('POST', `/api/v2/backups/${backup}/verify`, { level: 'FULL' })).body;
    expect(await scheduler.until(again.id, 'failed')).toMatchObject({ reasons: [broken[0]!.message], error: { code: 'assertion_failed' } });
    expect(await get()).toMatchObject({ proof: 'DATABASE', provenAt: null });
    const { databases } = (await scheduler.call('GET', '/api/v2/status')).body;
    expect(databases.find((line: { plan: string }) => line.plan === plan.id)).toMatchObject({
      state: 'failing',
      lastError: { code: 'assertion_failed', message: broken[0]!.message },
    });
  });

  it('must say of which database where the backup covers the whole server', async () => {
    await expect(scheduler.plan({ method: 'postgresql.physical', assertions: [orders] })).rejects.toThrow('/assertions/0/database');
  });
});

describe('scheduled verification', () => {
  it('stands in the ledger 48 hours ahead and takes the newest backup when its time comes', async () => {
    const plan = await scheduler.plan({ verifySchedules: [{ level: 'FULL', cron: cronFromNow(), timeZone: 'UTC' }] });
    await scheduler.tick();
    expect(await verifications(plan.id, '&state=expected')).toHaveLength(4);
    await backUp(plan.id);
    const newest = await backUp(plan.id);
    scheduler.clock.advance(HOUR);
    await scheduler.tick();
    await scheduler.tick();
    const [run, ...others] = await ended(plan.id, 1);
    expect(others).toEqual([]);
    expect(run).toMatchObject({ state: 'succeeded', level: 'FULL', backup: newest });
    expect((await scheduler.call('GET', `/api/v2/backups/${newest}`)).body).toMatchObject({ proof: 'FULL' });
  });

  it('tells why there was nothing to verify, what was paused, and what was missed, and makes up for the last once', async () => {
    const plan = await scheduler.plan({ verifySchedules: [{ level: 'BASIC', cron: cronFromNow() }] });
    await scheduler.tick();
    scheduler.clock.advance(HOUR);
    await scheduler.tick();
    expect(await verifications(plan.id)).toMatchObject([{ state: 'skipped', reasons: ['There was no backup to verify.'] }]);

    const backup = await backUp(plan.id);
    await scheduler.call('POST', `/api/v2/plans/${plan.id}/pause`, { reason: 'holidays' });
    scheduler.clock.advance(12 * HOUR);
    await scheduler.tick();
    expect((await verifications(plan.id))[0]).toMatchObject({ state: 'skipped', reasons: ['The plan was paused by Ada: holidays'] });

    await scheduler.call('POST', `/api/v2/plans/${plan.id}/resume`);
    await scheduler.tick();
    scheduler.clock.advance(36 * HOUR);
    await scheduler.tick();
    const runs = await scheduler.eventually(async () => {
      const all = await verifications(plan.id);
      return all.some(({ state }) => state === 'succeeded') && all;
    });
    expect(runs.filter(({ state }) => state === 'missed').length).toBeGreaterThanOrEqual(2);
    expect(runs.filter(({ state }) => state === 'succeeded')).toMatchObject([{ level: 'BASIC', backup }]);
  });

  it('follows its plan, and refuses what is no time', async () => {
    const plan = await scheduler.plan({ verifySchedules: [{ level: 'FULL', cron: cronFromNow() }] });
    await scheduler.tick();
    const change = (body: object) => scheduler.call('PATCH', `/api/v2/plans/${plan.id}`, body);
    const refused = await change({ verifySchedules: [{ level: 'FULL', cron: '99 * * * *' }] });
    expect(refused).toMatchObject({ status: 422, body: { errors: [{ pointer: '#/verifySchedules/0/cron' }] } });
    await change({ verifySchedules: [] });
    await scheduler.tick();
    expect(await verifications(plan.id, '&state=expected')).toEqual([]);
  });
});
