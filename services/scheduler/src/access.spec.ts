import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newId, type Principal } from '@rahat/contracts';
import { routesTo } from './testing/routes.js';
import { PASSWORD, startTestScheduler, type TestScheduler } from './testing/start-test-scheduler.js';

let scheduler: TestScheduler;
const ids: Record<string, string> = {};
beforeAll(async () => {
  scheduler = await startTestScheduler();
  const plan = await scheduler.plan();
  const [run] = (await scheduler.call('POST', `/api/v2/plans/${plan.id}/runs`)).body.runs;
  const backup = (await scheduler.until(run.id, 'succeeded')).backup!;
  const restorePlan = (await scheduler.call('POST', '/api/v2/restore-plans', { backup })).body;
  const database = (await scheduler.call('GET', `/api/v2/servers/${plan.server}/databases`)).body.data[0].id;
  const template = (await scheduler.call('POST', '/api/v2/templates', { name: 'ours', content: { jitterMinutes: 5 } })).body.id;
  const group = (await scheduler.call('POST', '/api/v2/server-groups', { name: 'EU' })).body.id;
  const search = (await scheduler.call('POST', '/api/v2/saved-searches', { name: 'ours', list: 'runs', query: {} })).body.id;
  Object.assign(ids, {
    search,
    group,
    template,
    plan: plan.id,
    server: plan.server,
    run: run.id,
    backup,
    restorePlan: restorePlan.id,
    hash: restorePlan.hash,
    database,
  });
});
afterAll(async () => scheduler?.[Symbol.asyncDispose]());

const routes = () => routesTo(ids);

const OPEN_TO_ALL_ORGANIZATIONS = [
  'GET /api/v2/servers',
  'POST /api/v2/servers',
  'POST /api/v2/servers/test',
  'GET /api/v2/plans',
  'GET /api/v2/plans/explain?cron=@daily',
  'GET /api/v2/server-groups',
  'POST /api/v2/server-groups',
  'GET /api/v2/scheduling',
  'GET /api/v2/templates',
  'POST /api/v2/templates',
  'GET /api/v2/documents',
  'POST /api/v2/documents/apply',
  'PUT /api/v2/scheduling',
  'GET /api/v2/runs',
  'GET /api/v2/events',
  'GET /api/v2/backups',
  'GET /api/v2/trash',
  'GET /api/v2/search?q=shop',
  'GET /api/v2/saved-searches',
  'POST /api/v2/saved-searches',
  'GET /api/v2/collections',
  'GET /api/v2/restores/safety-copies',
  'GET /api/v2/status',
  'GET /api/v2/dead-letters',
];

describe('access', () => {
  it('covers every route that the document names', async () => {
    const { paths } = (await scheduler.call('GET', '/api/openapi.json')).body as {
      paths: Record<string, Record<string, { 'x-rahat-access': { access: string } }>>;
    };
    const documented = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods)
        .filter((method) => methods[method]!['x-rahat-access'].access !== 'public')
        .map((method) => `${method.toUpperCase()} ${path}`.replaceAll(/\{\w+\}/g, '*')),
    );
    const walked = routes().map(([method, path]) =>
      `${method} ${path.split('?')[0]}`.replaceAll(
        /(server|group|template|plan|run|backup|restoreplan|database|repository|letter|search|pushtoken)_([0-9a-f]{32}|known)/g,
        '*',
      ),
    );
    expect(walked.sort()).toEqual(documented.sort());
  });

  it('is refused without a principal, and to one without the scope', async () => {
    const scopeless: Principal = { ...scheduler.admin, role: 'viewer', scopes: ['audit:read'] };
    const viewer: Principal = {
      ...scheduler.admin,
      role: 'viewer',
      scopes: ['server:read', 'plan:read', 'run:read', 'backup:read', 'storage:read'],
    };
    for (const [method, path, body] of routes()) {
      expect([method, path, (await scheduler.application.call(method, path, { body })).status]).toEqual([method, path, 401]);
      expect([method, path, (await scheduler.call(method, path, body, scopeless)).status]).toEqual([method, path, 403]);
      if (method !== 'GET') expect([method, path, (await scheduler.call(method, path, body, viewer)).status]).toEqual([method, path, 403]);
    }
  });

  it('shows another organization nothing and does nothing for it', async () => {
    const stranger: Principal = { ...scheduler.admin, organization: newId('organization') };
    for (const [method, path, body] of routes()) {
      if (OPEN_TO_ALL_ORGANIZATIONS.includes(`${method} ${path}`)) continue;
      const { status } = await scheduler.call(method, path, body, stranger);
      expect([method, path, path === '/api/v2/plans' ? status === 422 : status === 404]).toEqual([method, path, true]);
    }
    for (const list of [
      'servers',
      'plans',
      'runs',
      'backups',
      'trash',
      'collections',
      `backups?server=${ids.server}`,
      `runs?plan=${ids.plan}`,
    ]) {
      expect((await scheduler.call('GET', `/api/v2/${list}`, undefined, stranger)).body.data).toEqual([]);
    }
    expect((await scheduler.call('GET', '/api/v2/status', undefined, stranger)).body).toMatchObject({ healthy: false, databases: [] });
    expect((await scheduler.call('GET', `/api/v2/plans/${ids.plan}`)).body.enabled).toBe(true);
  });

  it('gives no password away: not in answers, tables, queues or the log', async () => {
    const answers = await Promise.all(
      routes()
        .filter(([method, path]) => method === 'GET' && !path.endsWith('/events'))
        .map(async ([method, path]) => JSON.stringify((await scheduler.call(method, path)).body)),
    );
    const tables = await scheduler.sql(
      `SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema IN ('scheduler', 'bullmq') AND table_type = 'BASE TABLE'`,
    );
    const rows = await Promise.all(
      tables.map((table) => scheduler.sql(`SELECT to_jsonb(t)::text AS row FROM "${table['table_schema']}"."${table['table_name']}" t`)),
    );
    const wrong = await scheduler.call('POST', '/api/v2/servers', { name: 'x', url: `mysql://u:${encodeURIComponent(PASSWORD)}@h/d` });
    expect(wrong).toMatchObject({ status: 422, body: { errors: [{ pointer: '#/url' }] } });
    const everything = [...answers, JSON.stringify(rows), JSON.stringify(wrong.body), scheduler.application.log()].join('\n');
    expect(everything.includes(PASSWORD) || everything.includes(encodeURIComponent(PASSWORD))).toBe(false);
  });

  it('points at every mistake of a plan, pages lists, and refuses a forged cursor', async () => {
    const mistake = async (change: object) =>
      (
        await scheduler.call('POST', '/api/v2/plans', { name: 'wrong', server: ids.server, repository: 'repository_known', ...change })
      ).body.errors?.map((error: { pointer: string }) => error.pointer);
    expect(await mistake({ cron: '61 * * * *' })).toEqual(['#/cron']);
    expect(await mistake({ timeZone: 'Mars/Phobos' })).toEqual(['#/timeZone']);
    expect(await mistake({ server: 'server_0' })).toEqual(['#/server']);
    expect(await mistake({ repository: 'other' })).toEqual(['#/repository']);
    expect(await mistake({ databases: ['shop', 'nowhere'] })).toEqual(['#/databases/1']);
    await scheduler.plan();
    const first = (await scheduler.call('GET', '/api/v2/plans?limit=1')).body;
    const second = (await scheduler.call('GET', `/api/v2/plans?limit=1&cursor=${first.page.nextCursor}`)).body;
    expect([first.page.hasMore, second.data[0].id, second.page.hasMore]).toEqual([true, ids.plan, false]);
    expect((await scheduler.call('GET', `/api/v2/servers?cursor=${first.page.nextCursor}`)).status).toBe(422);
  });

  it('tells when another server answers at a known address', async () => {
    expect((await scheduler.call('POST', `/api/v2/servers/${ids.server}/test`)).body).toMatchObject({ reachable: true, identity: '7' });
    scheduler.worker.identity = '8';
    expect((await scheduler.call('POST', `/api/v2/servers/${ids.server}/test`)).body.steps.at(-1)).toMatchObject({
      name: 'identity',
      ok: false,
    });
  });
});
