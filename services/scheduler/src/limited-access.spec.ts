import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newId, ROLE_SCOPES, type Principal } from '@rahat/contracts';
import { routesTo } from './testing/routes.js';
import { ADDRESS, PASSWORD, startTestScheduler, type TestScheduler } from './testing/start-test-scheduler.js';

interface DocumentedOperation {
  parameters?: { name: string; in: string }[];
  'x-rahat-within-server-groups'?: boolean;
}

/** A server with all that can hang on one. */
type Belongings = Record<
  'group' | 'server' | 'database' | 'plan' | 'run' | 'backup' | 'removed' | 'restorePlan' | 'hash' | 'search' | 'template',
  string
>;

let scheduler: TestScheduler;
let documented: Map<string, DocumentedOperation>;
let mine: Belongings;
let theirs: Belongings;
/** Covers both servers. */
let sharedPlan: string;
let limited: Principal;

const must = async (method: string, path: string, body?: unknown, as?: Principal) => {
  const answer = await scheduler.call(method, path, body, as);
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body;
};
const keep = (name: string, as?: Principal) => must('POST', '/api/v2/saved-searches', { name, list: 'runs', query: {} }, as);

async function backUp(plan: string, server?: string): Promise<{ run: string; backup: string }> {
  const { runs } = await must('POST', `/api/v2/plans/${plan}/runs`);
  const run = runs.find((one: { server: string }) => server === undefined || one.server === server).id;
  return { run, backup: (await scheduler.until(run, 'succeeded')).backup! };
}

async function belongings(word: string, template: string): Promise<Belongings> {
  const group = (await must('POST', '/api/v2/server-groups', { name: `${word} group` })).id;
  const server = (
    await must('POST', '/api/v2/servers', { name: `${word} server`, address: ADDRESS, password: PASSWORD, groups: [group], tags: [word] })
  ).id;
  const plan = (
    await must('POST', '/api/v2/plans', { name: `${word} plan`, server, databases: ['shop'], repository: 'repository_known', verify: [] })
  ).id;
  const { backup: removed } = await backUp(plan);
  const { run, backup } = await backUp(plan);
  await scheduler.sql(`UPDATE scheduler.backups SET removal_requested_at = now(), removed_at = now() WHERE id = '${removed}'`);
  const { id: restorePlan, hash } = await must('POST', '/api/v2/restore-plans', { backup });
  const database = (await must('GET', `/api/v2/servers/${server}/databases`)).data[0].id;
  return { group, server, database, plan, run, backup, removed, restorePlan, hash, template, search: '' };
}

beforeAll(async () => {
  scheduler = await startTestScheduler();
  const template = (await must('POST', '/api/v2/templates', { name: 'common', content: { jitterMinutes: 5 } })).id;
  mine = await belongings('mine', template);
  theirs = await belongings('theirs', template);
  limited = { ...scheduler.admin, name: 'Lim', role: 'admin', scopes: [...ROLE_SCOPES.admin], serverGroups: [mine.group] };
  mine.search = (await keep('mine search', limited)).id;
  theirs.search = (await keep('theirs search', { ...limited, serverGroups: [theirs.group] })).id;
  sharedPlan = (
    await must('POST', '/api/v2/plans', {
      name: 'theirs and mine',
      servers: { servers: [mine.server, theirs.server], groups: [], tags: [] },
      databases: ['crm'],
      repository: 'repository_known',
      verify: [],
    })
  ).id;
  const { paths } = await must('GET', '/api/openapi.json');
  documented = new Map(
    Object.entries<Record<string, DocumentedOperation>>(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => [`${method.toUpperCase()} ${shapeOf(path)}`, operation] as const),
    ),
  );
});
afterAll(async () => scheduler?.[Symbol.asyncDispose]());

const shapeOf = (path: string) =>
  path
    .split('?')[0]!
    .replaceAll(
      /\{\w+\}|(server|group|template|plan|run|backup|restoreplan|database|repository|letter|search|pushtoken)_([0-9a-f]{32}|known)/g,
      '*',
    );

/** What no answer to the limited may hold: an id of theirs, or a name. */
const traceOfThem = (answer: unknown) => {
  const text = JSON.stringify(answer);
  const { template: _common, hash: _hash, ...ids } = theirs;
  return [...Object.values(ids), 'theirs'].filter((trace) => text.includes(trace));
};

async function tracesIn(path: string): Promise<string[]> {
  return traceOfThem((await scheduler.call('GET', path, undefined, limited)).body);
}

describe('whose role is limited to server groups', () => {
  it('is refused what is for all of the organization, and nothing of another group exists for them', async () => {
    const before = await everythingOf(theirs);
    const wrong: unknown[] = [];
    for (const [method, path, body] of routesTo(theirs)) {
      const operation = documented.get(`${method} ${shapeOf(path)}`)!;
      if (path.endsWith('/events') && !path.includes('run_')) continue;
      const { status, body: answer } = await scheduler.call(method, path, body, limited);
      const named = shapeOf(path) !== path.split('?')[0] && !path.includes(theirs.template);
      const expected = operation['x-rahat-within-server-groups'] !== true ? [403] : named || body !== undefined ? [404, 422] : [200];
      const unnamed = method === 'POST' && ['/api/v2/servers/test', '/api/v2/saved-searches'].includes(path);
      if (!unnamed && !expected.includes(status)) wrong.push([method, path, status, answer]);
      const traces = traceOfThem(answer).filter((trace) => !path.includes(trace) && !JSON.stringify(body ?? {}).includes(trace));
      if (traces.length > 0) wrong.push([method, path, traces]);
    }
    expect(wrong).toEqual([]);
    expect(await everythingOf(theirs)).toEqual(before);
  });

  it('finds nothing of another group by any filter, cursor or word', async () => {
    const given: Record<string, string> = {
      ...theirs,
      cursor: '',
      q: 'theirs',
      tag: 'theirs',
      repository: 'repository_known',
      since: '2020-01-01T00:00:00Z',
    };
    let asked = 0;
    for (const [operation, { parameters = [] }] of documented) {
      const [method, path] = operation.split(' ') as [string, string];
      if (
        method !== 'GET' ||
        path.includes('*') ||
        path.endsWith('/events') ||
        documented.get(operation)!['x-rahat-within-server-groups'] !== true
      )
        continue;
      const whole = (await scheduler.call('GET', `${path}?limit=1&q=a`)).body;
      const values = { ...given, cursor: whole.page?.nextCursor ?? undefined };
      for (const { name } of parameters.filter((parameter) => parameter.in === 'query' && values[parameter.name as never] !== undefined)) {
        const query = new URLSearchParams({ ...(path.endsWith('/search') ? { q: 'theirs' } : {}), [name]: values[name as never] });
        expect([path, name, await tracesIn(`${path}?${query}`)]).toEqual([path, name, []]);
        asked += 1;
      }
    }
    expect(asked).toBeGreaterThan(25);
  });

  it('has their own things whole: lists, pages, search, status, trash and each by its id', async () => {
    const get = (path: string) => must('GET', `/api/v2/${path}`, undefined, limited);
    const idsOf = async (path: string) => (await get(path)).data.map(({ id, backup }: { id?: string; backup: string }) => id ?? backup);
    expect(await idsOf('servers')).toEqual([mine.server]);
    expect(await idsOf('server-groups')).toEqual([mine.group]);
    expect((await get(`server-groups/${mine.group}`)).servers).toBe(1);
    expect(await idsOf('plans')).toEqual([mine.plan]);
    expect(await idsOf('saved-searches')).toContain(mine.search);
    expect(await idsOf('backups')).toEqual([mine.backup]);
    expect((await get('trash')).data.map(({ backup }: { backup: string }) => backup)).toEqual([mine.removed]);
    const found = await get('search?q=mine');
    expect([found.servers, found.plans, found.backups].map((list) => list.map(({ id }: { id: string }) => id))).toEqual([
      [mine.server],
      [mine.plan],
      [mine.backup],
    ]);
    const first = await get('runs?limit=1');
    const second = await get(`runs?limit=1&cursor=${first.page.nextCursor}`);
    expect([first.page.hasMore, second.page.hasMore, first.data[0].server, second.data[0].server]).toEqual([
      true,
      false,
      mine.server,
      mine.server,
    ]);
    for (const path of [
      `servers/${mine.server}/databases`,
      `runs/${mine.run}/log`,
      `plans/${mine.plan}/retention`,
      `restore-plans/${mine.restorePlan}`,
      'templates',
    ])
      await get(path);
  });

  it('is told the truth about a database that a plan of more servers protects, and of that plan not even its name', async () => {
    const { backup } = await backUp(sharedPlan, mine.server);
    const status = await must('GET', '/api/v2/status', undefined, limited);
    const told = status.databases as { databaseName: string; state: string; planName: string | null }[];
    expect(told.map(({ databaseName, state, planName }) => [databaseName, state, planName]).toSorted()).toEqual([
      ['crm', 'stored', null],
      ['shop', 'stored', 'mine plan'],
    ]);
    expect((await scheduler.call('GET', `/api/v2/plans/${sharedPlan}`, undefined, limited)).status).toBe(404);
    // Its floor holds, whoever removes.
    const refused = await scheduler.call('POST', `/api/v2/backups/${backup}/remove`, { reason: 'x' }, limited);
    expect(refused).toMatchObject({ status: 409, body: { detail: expect.stringContaining('stays') } });
    const run = await must('POST', `/api/v2/backups/${backup}/verify`, { level: 'BASIC' }, limited);
    expect(run).toMatchObject({ plan: sharedPlan, server: mine.server, type: 'verification' });
  });

  it('restores to servers of their groups alone, and to no folder of a worker', async () => {
    const plan = (body: object) => scheduler.call('POST', '/api/v2/restore-plans', body, limited);
    expect((await plan({ backup: mine.backup, server: theirs.server })).status).toBe(404);
    expect((await plan({ backup: theirs.backup, server: mine.server })).status).toBe(404);
    await scheduler.sql(`UPDATE scheduler.backups SET method = 'postgresql.physical' WHERE id = '${mine.removed}'`);
    const made = await plan({ backup: mine.backup, server: mine.server });
    expect(made.status).toBe(201);
    const started = await scheduler.call('POST', '/api/v2/restores', { plan: made.body.id, hash: made.body.hash }, limited);
    expect(started).toMatchObject({ status: 202, body: { server: mine.server, type: 'restore' } });
  });

  it('undoes what was restored into their servers, wherever the backup came from, and nothing elsewhere', async () => {
    const restored = async (backup: string, server: string) => {
      const into = { backup, server, target: { kind: 'database', name: 'shop' }, merge: { conflict: 'missing', schemas: ['public'] } };
      const { id, hash } = await must('POST', '/api/v2/restore-plans', into);
      return (await scheduler.until((await must('POST', '/api/v2/restores', { plan: id, hash, confirm: 'shop' })).id, 'succeeded')).id;
    };
    const [here, there] = [await restored(theirs.backup, mine.server), await restored(mine.backup, theirs.server)];
    const { data } = await must('GET', '/api/v2/restores/safety-copies', undefined, limited);
    expect(data).toMatchObject([{ run: here, server: mine.server }]);
    const undo = (run: string) => scheduler.call('POST', `/api/v2/runs/${run}/safety-copy`, { action: 'undo' }, limited);
    expect((await undo(there)).status).toBe(404);
    const started = await undo(here);
    expect(started.status).toBe(202);
    await scheduler.until(started.body.id, 'succeeded');
    expect((await must('GET', '/api/v2/restores/safety-copies', undefined, limited)).data).toEqual([]);
  });

  it('makes servers and plans within their groups alone', async () => {
    const server = (change: object) =>
      scheduler.call('POST', '/api/v2/servers', { name: 'new', address: ADDRESS, password: PASSWORD, ...change }, limited);
    expect(await server({})).toMatchObject({ status: 422, body: { errors: [{ pointer: '#/groups' }] } });
    expect(await server({ groups: [mine.group, theirs.group] })).toMatchObject({
      status: 422,
      body: { errors: [{ pointer: '#/groups/1' }] },
    });
    expect((await server({ name: 'theirs server', groups: [mine.group] })).status).toBe(409);
    const made = await server({ groups: [mine.group] });
    expect(made.status).toBe(201);
    const plan = (servers: object, change: object = {}) =>
      scheduler.call(
        'POST',
        '/api/v2/plans',
        {
          name: 'another',
          servers: { servers: [], groups: [], tags: [], ...servers },
          databases: ['shop'],
          repository: 'repository_known',
          ...change,
        },
        limited,
      );
    expect((await plan({ tags: ['mine'] })).status).toBe(422);
    expect((await plan({ servers: [theirs.server] })).status).toBe(422);
    expect((await plan({ groups: [theirs.group] })).status).toBe(422);
    expect((await plan({ groups: [mine.group] }, { hooks: [{ kind: 'script', name: 'x', when: 'before', script: 'x.sh' }] })).status).toBe(
      403,
    );
    const planned = await plan({ groups: [mine.group], tags: ['mine'] });
    expect(planned.status).toBe(201);
    expect((await scheduler.call('DELETE', `/api/v2/plans/${planned.body.id}`, undefined, limited)).status).toBe(204);
    expect((await scheduler.call('PATCH', `/api/v2/servers/${made.body.id}`, { groups: [] }, limited)).status).toBe(422);
    expect((await scheduler.call('DELETE', `/api/v2/servers/${made.body.id}`, undefined, limited)).status).toBe(204);
    expect((await scheduler.call('DELETE', `/api/v2/servers/${theirs.server}`, undefined, limited)).status).toBe(404);
  });

  it('knows no other group of a server of theirs, and leaves it there', async () => {
    const also = (await must('POST', '/api/v2/server-groups', { name: 'also' })).id;
    await must('PATCH', `/api/v2/servers/${mine.server}`, { groups: [mine.group, also] });
    expect((await must('GET', `/api/v2/servers/${mine.server}`, undefined, limited)).groups).toEqual([mine.group]);
    const both: Principal = { ...limited, serverGroups: [mine.group, theirs.group] };
    await must('PATCH', `/api/v2/servers/${mine.server}`, { groups: [theirs.group] }, both);
    expect((await must('GET', `/api/v2/servers/${mine.server}`)).groups.toSorted()).toEqual([also, theirs.group].toSorted());
    expect((await scheduler.call('GET', `/api/v2/servers/${mine.server}`, undefined, limited)).status).toBe(404);
    await must('PATCH', `/api/v2/servers/${mine.server}`, { groups: [mine.group] });
  });

  it('loses a server at once when it leaves their groups, with all that hangs on it, and gets it back', async () => {
    await must('PATCH', `/api/v2/servers/${mine.server}`, { groups: [] });
    for (const list of ['servers', 'plans', 'runs', 'backups', 'trash'])
      expect((await must('GET', `/api/v2/${list}`, undefined, limited)).data).toEqual([]);
    for (const path of [
      `servers/${mine.server}`,
      `plans/${mine.plan}`,
      `runs/${mine.run}`,
      `backups/${mine.backup}`,
      `restore-plans/${mine.restorePlan}`,
    ])
      expect([path, (await scheduler.call('GET', `/api/v2/${path}`, undefined, limited)).status]).toEqual([path, 404]);
    await must('PATCH', `/api/v2/servers/${mine.server}`, { groups: [mine.group] });
    expect((await must('GET', `/api/v2/backups/${mine.backup}`, undefined, limited)).id).toBe(mine.backup);
  });

  it('reaches nothing by a group that is not there', async () => {
    const nobody: Principal = { ...limited, serverGroups: [newId('serverGroup')] };
    for (const list of ['servers', 'server-groups', 'plans', 'runs', 'backups', 'saved-searches'])
      expect((await must('GET', `/api/v2/${list}`, undefined, nobody)).data).toEqual([]);
  });
});

async function everythingOf(ids: Belongings) {
  const paths = [
    `servers/${ids.server}`,
    `server-groups/${ids.group}`,
    `plans/${ids.plan}`,
    `runs/${ids.run}`,
    `backups/${ids.backup}`,
    `backups/${ids.removed}`,
    `servers/${ids.server}/databases`,
  ];
  const { data: searches } = await must('GET', '/api/v2/saved-searches');
  return Promise.all([
    ...[...paths, `restore-plans/${ids.restorePlan}`].map((path) => must('GET', `/api/v2/${path}`)),
    searches.find(({ id }: { id: string }) => id === ids.search),
  ]);
}
