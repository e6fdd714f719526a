import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newId, type Principal } from '@rahat/contracts';
import { wholeOrganization } from '@rahat/persistence';
import { backupConditions, BACKUP_ORDER } from '../backups/backup-list.js';
import { pageQuery, type ListConditions } from '../catalog/found-ids.js';
import { soughtQuery } from '../catalog/sought-rows.js';
import { ALLOWED_DELAY_MS, KEPT_LINES, momentsOf, NEWEST_BACKUPS } from '../protections/protections.table.js';
import { writeLines } from '../protections/settling.js';
import { RUN_ORDER, runConditions } from '../runs/run-list.js';
import { failWith } from '../testing/scripts.js';
import { catalogId, fillCatalog } from '../testing/fill-catalog.js';
import { startTestScheduler, type TestScheduler } from '../testing/start-test-scheduler.js';

const LINE_INDEXES = ['backups_live', 'runs_backup', 'runs_bad', 'runs_good', 'runs_scheduled'];

let scheduler: TestScheduler;
beforeAll(async () => {
  scheduler = await startTestScheduler();
});
afterAll(async () => scheduler?.[Symbol.asyncDispose]());

const get = async (path: string, as?: Principal) => (await scheduler.call('GET', path, undefined, as)).body;
const found = async (list: string, q: string): Promise<string[]> =>
  (await get(`/api/v2/${list}?q=${encodeURIComponent(q)}`)).data.map(({ id }: { id: string }) => id);

describe('the search', () => {
  it('finds servers, plans, runs and backups by names, tags, notes and what went wrong', async () => {
    const plan = await scheduler.plan({ name: 'Gece yedeği', tags: ['tier=gold'] });
    scheduler.scripts.push(failWith('source_permission_denied', false));
    const started = async () => (await scheduler.call('POST', `/api/v2/plans/${plan.id}/runs`)).body.runs[0].id as string;
    const failed = await scheduler.until(await started(), 'failed');
    const { id: run, backup } = await scheduler.until(await started(), 'succeeded');
    await scheduler.call('PUT', `/api/v2/servers/${plan.server}/note`, { note: 'Rack 12,\nbehind the firewall' });
    await scheduler.call('PUT', `/api/v2/plans/${plan.id}/note`, { note: 'agreed with Zeynep' });
    await scheduler.call('PATCH', `/api/v2/backups/${backup}`, { tags: ['release=4.2'], note: 'before the upgrade' });
    expect((await scheduler.call('PATCH', `/api/v2/runs/${run}`, { tags: ['drill'] })).body).toMatchObject({ tags: ['drill'], note: '' });

    expect(await found('servers', 'rack fire')).toEqual([plan.server]);
    expect(await found('plans', 'zeynep gold')).toEqual([plan.id]);
    expect(await found('plans', 'yedeğ')).toEqual([plan.id]);
    expect(await found('runs', 'permission')).toEqual([failed.id]);
    expect(await found('runs', 'drill shop')).toEqual([run]);
    expect(await found('backups', 'upgrade')).toEqual([backup]);
    expect(await found('backups', backup!.slice(7, 30))).toEqual([backup]);
    expect(await found('backups', 'upgrade nowhere')).toEqual([]);
    expect(await found('backups', '--')).toEqual([]);
    const all = await get('/api/v2/search?q=gece');
    expect([all.servers, all.plans, all.backups].map((list) => list.map(({ id }: { id: string }) => id))).toEqual([
      [],
      [plan.id],
      [backup],
    ]);
    expect(all.runs).toHaveLength(2);
    const stranger: Principal = { ...scheduler.admin, organization: newId('organization') };
    expect(await get('/api/v2/search?q=gece', stranger)).toEqual({ servers: [], plans: [], runs: [], backups: [] });
  });

  it('filters lists by tag, proof, state, type, server, database, plan and time', async () => {
    const plan = await scheduler.plan({ verify: ['BASIC'] });
    const [started] = (await scheduler.call('POST', `/api/v2/plans/${plan.id}/runs`)).body.runs;
    const { backup } = await scheduler.until(started.id, 'succeeded');
    await scheduler.eventually(async () => (await get(`/api/v2/backups/${backup}`)).proof === 'BASIC');
    await scheduler.call('PATCH', `/api/v2/backups/${backup}`, { tags: ['keep', 'case=7'] });
    const hour = (hours: number) => encodeURIComponent(new Date(Date.now() + hours * 3_600_000).toISOString());
    const lists = async (query: string) => (await get(`/api/v2/backups?plan=${plan.id}&${query}`)).data.length;
    const { database } = await get(`/api/v2/backups/${backup}`);
    for (const query of ['tag=keep', 'tag=case', 'tag=case=7,keep', 'proof=BASIC', 'state=succeeded', 'type=full', `server=${plan.server}`])
      expect([query, await lists(query)]).toEqual([query, 1]);
    for (const query of [`database=${database}`, `since=${hour(-1)}`, `until=${hour(1)}`, `since=${hour(-1)}&until=${hour(1)}&q=shop`])
      expect([query, await lists(query)]).toEqual([query, 1]);
    // An offset that RFC 3339 knows and PostgreSQL doesn't.
    expect(await lists(`since=${encodeURIComponent('0468-04-18T21:24:08.13136-17:37')}`)).toBe(1);
    for (const query of ['tag=other', 'tag=case=8', 'proof=FULL', 'state=partial', 'type=log', `since=${hour(1)}`, `until=${hour(-1)}`])
      expect([query, await lists(query)]).toEqual([query, 0]);
    expect((await get(`/api/v2/runs?server=${plan.server}&type=verification&since=${hour(-1)}`)).data).toHaveLength(1);
  });

  it('can be kept for the organization, with filters that the list knows', async () => {
    const save = (body: object) => scheduler.call('POST', '/api/v2/saved-searches', body);
    const saved = await save({ name: 'Proven this week', list: 'backups', query: { proof: 'FULL', since: '7d', tag: 'env=prod' } });
    expect(saved).toMatchObject({ status: 201, body: { query: { proof: 'FULL', since: '7d' }, createdBy: 'Ada' } });
    expect((await save({ name: 'proven THIS week', list: 'runs', query: {} })).status).toBe(409);
    expect(await save({ name: 'x', list: 'backups', query: { proof: 'green' } })).toMatchObject({
      status: 422,
      body: { errors: [{ pointer: '#/query/proof' }] },
    });
    expect((await save({ name: 'x', list: 'servers', query: { proof: 'FULL' } })).status).toBe(422);
    expect((await get('/api/v2/saved-searches')).data).toEqual([saved.body]);
    expect((await scheduler.call('DELETE', `/api/v2/saved-searches/${saved.body.id}`)).status).toBe(204);
    expect((await get('/api/v2/saved-searches')).data).toEqual([]);
  });
});

describe('in a catalog of 20,000 backups', () => {
  const organization = newId('organization');
  beforeAll(async () => {
    for (const statement of fillCatalog({ organization, servers: 200, databases: 2_000, backups: 20_000 })) await scheduler.sql(statement);
  }, 300_000);

  /** As the service asks, but for what a small table would be read by: sequential scans and, in lists, sorting of a handful of rows. */
  async function planOf(table: 'backups' | 'runs', conditions: ListConditions, order: string): Promise<string> {
    const { tags, words } = conditions.sought;
    const isOrdered = tags.length + words.length === 0;
    const page = { order, limit: 51 };
    const { text, values } = isOrdered
      ? { text: pageQuery(table, conditions, page), values: conditions.values }
      : soughtQuery(table, conditions, page, { looked: 1_000, ids: [], words: words.map(() => 0) });
    return scheduler.database.asSystem('read a plan', async (transaction) => {
      await transaction.query('SET LOCAL enable_seqscan = off');
      if (isOrdered) await transaction.query('SET LOCAL enable_bitmapscan = off');
      const rows = await transaction.query<{ 'QUERY PLAN': string }>(`EXPLAIN ${text}`, values);
      return rows.map((row) => row['QUERY PLAN']).join('\n');
    });
  }
  const [server, database, plan] = [catalogId('server', 3), catalogId('database', 3), catalogId('plan', 3)];
  const since = new Date(Date.now() - 8 * 3_600_000).toISOString();
  const until = new Date(Date.now() - 2 * 3_600_000).toISOString();
  const middle = `backup_${(Date.now() - 10 * 3_600_000).toString(16).padStart(12, '0')}${'0'.repeat(20)}`;

  it.each<[string, Parameters<typeof backupConditions>[1] & { after?: string }, string | RegExp]>([
    ['list', { removed: 'false' }, /backups_there|backups_pkey/],
    ['next page', { removed: 'false', after: middle }, /backups_there|backups_pkey/],
    ['list with the removed ones', { removed: 'true' }, /backups_list|backups_pkey/],
    ['list of a time', { removed: 'false', since, until }, /backups_there|backups_pkey/],
    ['list of a server', { removed: 'false', server }, 'backups_by_server'],
    ['list of a database', { removed: 'false', database }, 'backups_by_database'],
    ['list of a plan', { removed: 'false', plan }, 'backups_by_plan'],
    ['list of a state', { removed: 'false', state: 'partial' }, 'backups_by_state'],
    ['list of a proof', { removed: 'false', proof: 'damaged' }, 'backups_by_proof'],
    ['list of a tag', { removed: 'false', tag: ['release=7'] }, 'backups_tags'],
    ['search', { removed: 'false', q: 'orders_1234' }, 'backups_search'],
    ['search by the beginning of two words', { removed: 'false', q: 'serv 15432' }, 'backups_search'],
  ])('the %s of backups is read from its index', async (_name, { after, ...query }, index) => {
    const text = await planOf('backups', backupConditions(wholeOrganization(organization), query, after), BACKUP_ORDER);
    expect(text).toMatch(index);
    expect(text).not.toContain('Seq Scan');
    if (!query.q && !query.tag) expect(text).not.toContain('Sort');
  });

  it.each<[string, Parameters<typeof runConditions>[1], string]>([
    ['list', {}, 'runs_list'],
    ['list of a time', { since, until }, 'runs_list'],
    ['list of what is expected', { state: 'expected' }, 'runs_by_state'],
    ['list of a state', { state: 'failed' }, 'runs_by_state'],
    ['list of a type', { type: 'restore' }, 'runs_by_type'],
    ['list of a server', { server }, 'runs_by_server'],
    ['list of a plan', { plan }, 'runs_by_plan'],
    ['list of a database', { database }, 'runs_by_database'],
    ['list of a tag', { tag: ['release=7'] }, 'runs_tags'],
    ['search', { q: 'orders_1234' }, 'runs_search'],
  ])('the %s of runs is read from its index', async (_name, query, index) => {
    const text = await planOf('runs', runConditions(wholeOrganization(organization), query), RUN_ORDER);
    expect(text).toContain(index);
    expect(text).not.toContain('Seq Scan');
    if (!query.q && !query.tag) expect(text).not.toContain('Sort');
  });

  it('a frequent word is looked up in the rows of the rare ones, and in no index', async () => {
    const conditions = backupConditions(wholeOrganization(organization), { removed: 'false', q: 'orders 1234' });
    const { text, values } = soughtQuery(
      'backups',
      conditions,
      { order: BACKUP_ORDER, limit: 51 },
      { looked: 1_000, ids: [], words: [1_000, 0] },
    );
    const rows = await scheduler.database.asSystem('read a plan', async (transaction) => {
      await transaction.query('SET LOCAL enable_seqscan = off');
      return transaction.query<{ 'QUERY PLAN': string }>(`EXPLAIN ${text}`, values);
    });
    expect(rows.map((row) => row['QUERY PLAN']).join('\n')).toMatch(/Index Cond: \(search @@ '''1234'':\*'::tsquery\)/);
  });

  it.each<[string, string[], string[]]>([
    ['a word that all have', ['orders'], []],
    ['a rare word', ['1234'], []],
    ['a frequent and a rare word', ['orders', '1234'], []],
    ['two frequent words', ['orders', 'server'], []],
    ['a word and one that none has', ['orders', 'zebra'], []],
    ['a tag', [], ['release']],
    ['a tag and its value', [], ['release=7']],
    ['two tags', [], ['release', 'release=7']],
    ['a tag and a word', ['server'], ['release']],
  ])('%s find what stands in the rows, page by page', async (_name, words, tags) => {
    const principal: Principal = { ...scheduler.admin, organization };
    const query = [words.length > 0 ? `q=${words.join('%20')}` : '', tags.length > 0 ? `tag=${tags.join(',')}` : ''].join('&');
    for (const [table, order] of [
      ['backups', BACKUP_ORDER],
      ['runs', RUN_ORDER],
    ] as const) {
      const has = [
        ...words.map((word) => `search @@ to_tsquery('simple', '${word}:*')`),
        ...tags.map((tag) => `tag_terms(tags) @> '{${tag}}'`),
      ].join(' AND ');
      const expected = await scheduler.database.asSystem('know better', (transaction) =>
        transaction.query<{ id: string }>(`SELECT id FROM ${table} WHERE organization_id = $1 AND ${has} ORDER BY ${order} LIMIT 90`, [
          organization,
        ]),
      );
      const first = await get(`/api/v2/${table}?limit=45&${query}`, principal);
      const next = first.page.hasMore
        ? await get(`/api/v2/${table}?limit=45&${query}&cursor=${first.page.nextCursor}`, principal)
        : { data: [] };
      expect([...first.data, ...next.data].map(({ id }: { id: string }) => id)).toEqual(expected.map(({ id }) => id));
    }
  });

  const some = Array.from({ length: 100 }, (_, index) => index);
  const lines = [some.map((i) => catalogId('server', i)), some.map((i) => catalogId('plan', i)), some.map((i) => catalogId('database', i))];
  const moments = [new Date(), new Date(Date.now() - ALLOWED_DELAY_MS)];
  it.each<[string, string, unknown[], string[]]>([
    ['row of a line is written', writeLines('planned database'), [organization, ...lines, ...moments], LINE_INDEXES],
    ['row of a whole server is written', writeLines('planned server'), [organization, ...lines, ...moments], LINE_INDEXES],
    ['row of a line without a plan is written', writeLines('unplanned database'), [organization, ...lines, ...moments], LINE_INDEXES],
    ['moments of a line are looked up', momentsOf('database'), [...lines, ...moments], ['runs_scheduled']],
    ['moments of a whole server are looked up', momentsOf('server'), [...lines, ...moments], ['runs_scheduled']],
    ['status is read', KEPT_LINES, [organization], []],
    ['newest backups are read', NEWEST_BACKUPS, [organization], []],
  ])('the %s from indexes alone', async (_name, sql, parameters, indexes) => {
    const rows = await scheduler.database.asSystem('read a plan', (transaction) =>
      transaction.query<{ 'QUERY PLAN': string }>(`EXPLAIN ${sql}`, parameters),
    );
    const text = rows.map((row) => row['QUERY PLAN']).join('\n');
    expect([...new Set(text.match(/(?<=using |on )(backups|runs)_\w+/g))].toSorted()).toEqual(indexes);
    expect(text).not.toMatch(/Seq Scan on (backups|runs)/);
  });

  it('pages lead through all of a list without a gap', async () => {
    const principal: Principal = { ...scheduler.admin, organization };
    const seen: string[] = [];
    let cursor = '';
    do {
      const { data, page } = await get(`/api/v2/backups?database=${database}&limit=4${cursor}`, principal);
      seen.push(...data.map(({ id }: { id: string }) => id));
      cursor = page.hasMore ? `&cursor=${page.nextCursor}` : '';
    } while (cursor);
    expect([seen.length, new Set(seen).size, seen.toSorted().toReversed()]).toEqual([10, 10, seen]);
  });
});
