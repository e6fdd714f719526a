import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ADDRESS, PASSWORD, startTestScheduler, type TestScheduler } from '../testing/start-test-scheduler.js';

let scheduler: TestScheduler;
beforeAll(async () => {
  scheduler = await startTestScheduler();
});
afterAll(async () => scheduler?.[Symbol.asyncDispose]());

let number = 0;
const addServer = async (change: object): Promise<string> => {
  const answer = await scheduler.call('POST', '/api/v2/servers', {
    name: `s${(number += 1)}`,
    address: ADDRESS,
    password: PASSWORD,
    ...change,
  });
  if (answer.status !== 201) throw new Error(JSON.stringify(answer.body));
  await scheduler.call('POST', `/api/v2/servers/${answer.body.id}/discover`);
  return answer.body.id;
};
const addGroup = async (name: string): Promise<string> => (await scheduler.call('POST', '/api/v2/server-groups', { name })).body.id;
const addPlan = async (change: object) =>
  scheduler.call('POST', '/api/v2/plans', {
    name: `p${(number += 1)}`,
    repository: 'repository_known',
    verify: [],
    cron: '0 3 * * *',
    ...change,
  });
const covered = async (plan: string) => {
  await scheduler.tick();
  const rows = await scheduler.sql(
    `SELECT DISTINCT server_id || ' ' || COALESCE(database_name, '*') AS line FROM scheduler.runs WHERE plan_id = '${plan}' AND state = 'expected' ORDER BY 1`,
  );
  return rows.map((row) => row['line'] as string);
};
const listed = async (path: string) =>
  ((await scheduler.call('GET', path)).body.data as { id: string; name: string }[]).map(({ id }) => id);

describe('groups and tags', () => {
  it('filter servers, databases and plans, by key or by key and value', async () => {
    const group = await addGroup('Europe');
    const [one, two] = [await addServer({ groups: [group], tags: ['env=prod', 'critical'] }), await addServer({ tags: ['env=test'] })];
    expect(await listed(`/api/v2/servers?group=${group}`)).toEqual([one]);
    expect(await listed('/api/v2/servers?tag=env')).toEqual([two, one]);
    expect(await listed('/api/v2/servers?tag=env=prod,critical')).toEqual([one]);
    expect(await listed('/api/v2/servers?tag=env=staging')).toEqual([]);
    expect((await scheduler.call('GET', '/api/v2/servers?tag=NO')).status).toBe(422);
    const [database] = await listed(`/api/v2/servers/${one}/databases`);
    expect((await scheduler.call('PATCH', `/api/v2/servers/${one}/databases/${database}`, { tags: ['pii'] })).body.tags).toEqual(['pii']);
    expect(await listed(`/api/v2/servers/${one}/databases?tag=pii`)).toEqual([database]);
    const plan = (await addPlan({ server: one, tags: ['team=shop'] })).body.id;
    expect(await listed('/api/v2/plans?tag=team')).toEqual([plan]);
    expect(await listed(`/api/v2/plans?server=${two}`)).toEqual([]);
  });

  it('select the servers of a plan, present and future ones', async () => {
    const group = await addGroup('Asia');
    const first = await addServer({ groups: [group], tags: ['env=prod'] });
    const plan = (await addPlan({ servers: { groups: [group], tags: ['env=prod'] }, databases: { include: ['s*'] } })).body;
    expect(plan).toMatchObject({
      server: null,
      servers: { servers: [], groups: [group], tags: ['env=prod'] },
      databases: { include: ['s*'], exclude: [], tags: [] },
    });
    expect(await covered(plan.id)).toEqual([`${first} shop`]);
    const second = await addServer({ groups: [group] });
    expect(await covered(plan.id)).toEqual([`${first} shop`]);
    await scheduler.call('PATCH', `/api/v2/servers/${second}`, { tags: ['env=prod'] });
    expect(await covered(plan.id)).toEqual([`${first} shop`, `${second} shop`].sort());
    await scheduler.call('PATCH', `/api/v2/servers/${first}`, { groups: [] });
    expect(await covered(plan.id)).toEqual([`${second} shop`]);
    const runs = (await scheduler.call('POST', `/api/v2/plans/${plan.id}/runs`)).body.runs;
    expect(runs.map((run: { server: string }) => run.server)).toEqual([second]);
    const { databases } = (await scheduler.call('GET', '/api/v2/status')).body;
    expect(databases.filter((line: { plan: string }) => line.plan === plan.id)).toMatchObject([{ server: second, databaseName: 'shop' }]);
  });

  it('keep whole servers of one plan apart, in the status and in what is kept', async () => {
    const group = await addGroup('Physical');
    const servers = [await addServer({ groups: [group] }), await addServer({ groups: [group] })];
    const plan = (await addPlan({ servers: { groups: [group] }, method: 'postgresql.physical', retention: { keepLast: 1, keepProven: 1 } }))
      .body.id;
    const runs = (await scheduler.call('POST', `/api/v2/plans/${plan}/runs`)).body.runs as { id: string }[];
    expect(runs).toHaveLength(2);
    for (const { id } of runs) await scheduler.until(id, 'succeeded');
    const { databases } = (await scheduler.call('GET', '/api/v2/status')).body;
    const lines = databases.filter((line: { plan: string }) => line.plan === plan) as { server: string; backups: number }[];
    expect(lines.map(({ server, backups }) => [server, backups]).sort()).toEqual(servers.map((server) => [server, 1]).sort());
    const preview = (await scheduler.call('GET', `/api/v2/plans/${plan}/retention`)).body.backups as { kept: boolean }[];
    expect(preview.map(({ kept }) => kept)).toEqual([true, true]);
  });

  it('are refused where they do not exist, and a group goes only when no plan selects it', async () => {
    const group = await addGroup('Short-lived');
    expect(await addPlan({ servers: { groups: ['group_0'] } })).toMatchObject({
      status: 422,
      body: { errors: [{ pointer: '#/servers/groups/0' }] },
    });
    expect(await addPlan({ servers: {} })).toMatchObject({ status: 422, body: { errors: [{ pointer: '#/servers' }] } });
    expect(await addPlan({})).toMatchObject({ status: 422, body: { errors: [{ pointer: '#/server' }] } });
    const plan = (await addPlan({ servers: { groups: [group] } })).body.id;
    const server = await addServer({ groups: [group] });
    expect((await scheduler.call('DELETE', `/api/v2/server-groups/${group}`)).status).toBe(409);
    await scheduler.call('DELETE', `/api/v2/plans/${plan}`);
    expect((await scheduler.call('DELETE', `/api/v2/server-groups/${group}`)).status).toBe(204);
    expect((await scheduler.call('GET', `/api/v2/servers/${server}`)).body.groups).toEqual([]);
    await addGroup('Twice');
    expect((await scheduler.call('POST', '/api/v2/server-groups', { name: 'twice' })).status).toBe(409);
  });

  it('new databases are found at the interval of their server, and vanished ones are told', async () => {
    const server = await addServer({ discoveryMinutes: 60, tags: ['watched'] });
    const plan = (await addPlan({ servers: { tags: ['watched'] }, databases: 'all' })).body.id;
    expect(await covered(plan)).toEqual([`${server} crm`, `${server} shop`]);
    scheduler.worker.databases = ['shop', 'fresh'];
    scheduler.clock.advance(20 * 60_000);
    await scheduler.tick();
    expect(await covered(plan)).toEqual([`${server} crm`, `${server} shop`]);
    scheduler.clock.advance(41 * 60_000);
    await scheduler.eventually(async () => (await covered(plan)).includes(`${server} fresh`));
    expect(await covered(plan)).toEqual([`${server} fresh`, `${server} shop`]);
    const acts = scheduler.told.map(({ payload }) => payload as { action?: string; target?: { name: string } });
    const of = (action: string) => new Set(acts.filter((act) => act.action === action).map(({ target }) => target!.name));
    expect([of('database.vanished'), of('database.appeared')]).toEqual([new Set(['crm']), new Set(['fresh'])]);
    scheduler.worker.databases = ['shop', 'crm'];
  });
});
