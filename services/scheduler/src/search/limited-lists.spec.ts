import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newId, type Principal } from '@rahat/contracts';
import type { Tenant } from '@rahat/persistence';
import { BACKUP_ORDER, backupConditions } from '../backups/backup-list.js';
import { SHOWN_BACKUPS } from '../backups/backups.table.js';
import { pageQuery, type ListConditions } from '../catalog/found-ids.js';
import { soughtQuery } from '../catalog/sought-rows.js';
import { ALLOWED_DELAY_MS, momentsOf } from '../protections/protections.table.js';
import { RUN_ORDER, runConditions } from '../runs/run-list.js';
import { catalogId, fillCatalog } from '../testing/fill-catalog.js';
import { startTestScheduler, type TestScheduler } from '../testing/start-test-scheduler.js';

const SERVERS = 200;
const organization = newId('organization');
const [few, many] = [newId('serverGroup'), newId('serverGroup')];
const ofFew: Tenant = { organization, serverGroups: [few] };

let scheduler: TestScheduler;
beforeAll(async () => {
  scheduler = await startTestScheduler();
  for (const statement of fillCatalog({ organization, servers: SERVERS, databases: 2_000, backups: 20_000 }))
    await scheduler.sql(statement);
  const servers = (count: number) => Array.from({ length: count }, (_, index) => `'${catalogId('server', index)}'`).join();
  await scheduler.sql(`UPDATE scheduler.servers SET group_ids = group_ids || ARRAY['${few}'] WHERE id IN (${servers(2)})`);
  await scheduler.sql(`UPDATE scheduler.servers SET group_ids = group_ids || ARRAY['${many}'] WHERE id IN (${servers(150)})`);
  await scheduler.sql(`ANALYZE scheduler.servers`);
}, 300_000);
afterAll(async () => scheduler?.[Symbol.asyncDispose]());

const textOf = (rows: { 'QUERY PLAN': string }[]) => rows.map((row) => row['QUERY PLAN']).join('\n');

/** As `foundIds` asks. */
async function planOf(table: 'backups' | 'runs', conditions: ListConditions, order: string): Promise<string> {
  return scheduler.database.asSystem('read a plan', async (transaction) => {
    await transaction.query('SET LOCAL enable_seqscan = off');
    const reached = await transaction.query<{ id: string }>(`SELECT id FROM reached_servers($1, $2) AS id`, [
      organization,
      conditions.tenant.serverGroups,
    ]);
    const narrowed = conditions.within(
      table,
      reached.map(({ id }) => id),
    );
    const { tags, words } = narrowed.sought;
    const page = { order, limit: 51 };
    const { text, values } =
      tags.length + words.length === 0
        ? { text: pageQuery(table, narrowed, page), values: narrowed.values }
        : soughtQuery(table, narrowed, page, { looked: 1_000, ids: [], words: words.map(() => 0) });
    return textOf(await transaction.query(`EXPLAIN ${text}`, values));
  });
}

/** As what is shown is read: by the role of the limited, under its policies. */
async function planUnderPolicies(sql: string, parameters: unknown[]): Promise<string> {
  return scheduler.database.inOrganization(ofFew, async (transaction) => textOf(await transaction.query(`EXPLAIN ${sql}`, parameters)));
}

describe('of a catalog of 20,000 backups whoever is limited to server groups', () => {
  const [server, database, plan] = [catalogId('server', 1), catalogId('database', 1), catalogId('plan', 1)];
  const since = new Date(Date.now() - 8 * 3_600_000).toISOString();

  it.each<[string, Parameters<typeof backupConditions>[1]]>([
    ['list', { removed: 'false' }],
    ['list with the removed ones', { removed: 'true' }],
    ['list of a time', { removed: 'false', since }],
    ['list of a server', { removed: 'false', server }],
    ['list of a database', { removed: 'false', database }],
    ['list of a plan', { removed: 'false', plan }],
    ['list of a state', { removed: 'false', state: 'partial' }],
    ['list of a proof', { removed: 'false', proof: 'damaged' }],
    ['list of a tag', { removed: 'false', tag: ['release=7'] }],
    ['search', { removed: 'false', q: 'orders_1201' }],
  ])('reads the %s of backups from indexes, whether their groups are small or large', async (_name, query) => {
    for (const serverGroups of [[few], [many], [few, many]]) {
      const text = await planOf('backups', backupConditions({ organization, serverGroups }, query), BACKUP_ORDER);
      expect(text).toMatch(/backups_\w+/);
      expect(text).not.toContain('Seq Scan on backups');
    }
  });

  it.each<[string, Parameters<typeof runConditions>[1]]>([
    ['list', {}],
    ['list of a time', { since }],
    ['list of what is expected', { state: 'expected' }],
    ['list of a state', { state: 'failed' }],
    ['list of a server', { server }],
    ['list of a tag', { tag: ['release=7'] }],
    ['search', { q: 'orders_1201' }],
  ])('reads the %s of runs from indexes, whether their groups are small or large', async (_name, query) => {
    for (const serverGroups of [[few], [many], [few, many]]) {
      const text = await planOf('runs', runConditions({ organization, serverGroups }, query), RUN_ORDER);
      expect(text).toMatch(/runs_\w+/);
      expect(text).not.toContain('Seq Scan on runs');
    }
  });

  it('is shown what was found by its id, and asks which servers are theirs once for a query and not for each row', async () => {
    const ids = Array.from({ length: 51 }, () => newId('backup'));
    const moments = [new Date(), new Date(Date.now() - ALLOWED_DELAY_MS)];
    const texts = [
      await planUnderPolicies(`${SHOWN_BACKUPS} WHERE backups.id = ANY ($1::text[]) ORDER BY backups.id DESC`, [ids]),
      await planUnderPolicies(`SELECT * FROM runs WHERE id = ANY ($1::text[])`, [ids]),
      await planUnderPolicies(`SELECT * FROM run_logs WHERE run_id = $1 AND sequence > $2 ORDER BY sequence LIMIT 51`, ['run_1', 0]),
      await planUnderPolicies(momentsOf('database'), [[plan], [server], [database], ...moments]),
    ];
    for (const text of texts) {
      expect(text).not.toMatch(/Seq Scan on (backups|runs|run_logs)/);
      expect(text).toMatch(/hashed SubPlan/);
    }
  });

  it('turns the pages of what is theirs without a gap, and counts nothing else', async () => {
    const principal: Principal = { ...scheduler.admin, organization, serverGroups: [few] };
    const seen: { id: string; server: string }[] = [];
    let cursor = '';
    do {
      const { body } = await scheduler.call('GET', `/api/v2/backups?limit=50${cursor}`, undefined, principal);
      expect(body.data).toHaveLength(50);
      seen.push(...body.data);
      cursor = body.page.hasMore ? `&cursor=${body.page.nextCursor}` : '';
    } while (cursor);
    expect([seen.length, new Set(seen.map(({ id }) => id)).size]).toEqual([200, 200]);
    expect(new Set(seen.map((backup) => backup.server))).toEqual(new Set([catalogId('server', 0), catalogId('server', 1)]));
    expect((await scheduler.call('GET', '/api/v2/status', undefined, principal)).body.databases).toHaveLength(20);
  });
});
