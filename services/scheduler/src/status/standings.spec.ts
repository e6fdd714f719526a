import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newId, type Principal } from '@rahat/contracts';
import { Settling } from '../protections/settling.js';
import { catalogId, fillCatalog } from '../testing/fill-catalog.js';
import { startTestScheduler, type TestScheduler } from '../testing/start-test-scheduler.js';
import { statusOf, summarize } from './database-status.js';
import { StatusService } from './status.service.js';

let scheduler: TestScheduler;
let viewer: Principal;
beforeAll(async () => {
  scheduler = await startTestScheduler();
  viewer = { ...scheduler.admin, organization: newId('organization') };
  const size = { servers: 3, databases: 9, backups: 45 };
  for (const statement of fillCatalog({ organization: viewer.organization, ...size })) await scheduler.sql(statement);
  await scheduler.sql(`UPDATE scheduler.plans SET databases = '"all"' WHERE organization_id = '${viewer.organization}'`);
});
afterAll(async () => scheduler?.[Symbol.asyncDispose]());

/** As who has never looked before reads it. */
async function statusByStranger() {
  const { database, clock } = scheduler;
  const fresh = new StatusService(database, new Settling(database, clock), clock);
  const now = clock.now();
  const { protections } = (await fresh.everywhere()).find(({ organization }) => organization === viewer.organization)!;
  const databases = protections.map((protection) => statusOf(protection, now));
  return { ...summarize(databases, now), databases, streams: [] };
}

describe('the status that is kept in memory', () => {
  const [server, plan, database] = [catalogId('server', 1), catalogId('plan', 1), catalogId('database', 1)];
  const schedule = (id: string, cron: string) =>
    `INSERT INTO scheduler.schedules (id, organization_id, plan_id, position, type, cron, time_zone)
     VALUES ('${id}', '${viewer.organization}', '${plan}', 0, 'full', '${cron}', 'UTC')`;
  const expected = (id: string, hours: number) =>
    `INSERT INTO scheduler.runs (id, organization_id, type, state, cause, max_attempts, plan_id, server_id, database_id, database_name, method,
       repository_id, deadline_minutes, due_at, occurs_at, backup_type)
     SELECT '${id}', organization_id, 'backup', 'expected', 'schedule', 3, '${plan}', server_id, id, name, 'postgresql.logical', 'repository_known', 720,
       at, at, 'full' FROM scheduler.databases, LATERAL (SELECT now() + interval '${hours} hours' AS at) moment WHERE id = '${database}'`;

  it.each<[string, () => string | undefined]>([
    ['at the first look', () => undefined],
    ['when nothing happened', () => undefined],
    ['when a server got another name', () => `UPDATE scheduler.servers SET name = 'shöp "1"' WHERE id = '${server}'`],
    ['when a note was written', () => `UPDATE scheduler.servers SET note = 'rack 7' WHERE id = '${server}'`],
    ['when a database was found', () => `UPDATE scheduler.databases SET name = 'crm' WHERE id = '${database}'`],
    ['when a database went', () => `UPDATE scheduler.databases SET missing_since = now() WHERE id = '${catalogId('database', 2)}'`],
    ['when a database is left out', () => `UPDATE scheduler.databases SET excluded = true WHERE id = '${catalogId('database', 4)}'`],
    ['when a plan got a schedule', () => schedule('schedule_1', '0 3 * * *')],
    ['when the schedule was changed', () => `UPDATE scheduler.schedules SET cron = '0 * * * *' WHERE id = 'schedule_1'`],
    ['when a run is expected', () => expected('run_e1', 2)],
    ['when time passed it', () => undefined],
    ['when a plan was paused', () => `UPDATE scheduler.plans SET enabled = false WHERE id = '${plan}'`],
    ['when a plan was deleted', () => `UPDATE scheduler.plans SET deleted_at = now() WHERE id = '${catalogId('plan', 2)}'`],
    [
      'when a backup was damaged',
      () => `UPDATE scheduler.backups SET proof = 'damaged', damaged_by = 'BASIC' WHERE database_id = '${database}'`,
    ],
    [
      'when backups were removed',
      () => `UPDATE scheduler.backups SET removal_requested_at = now() WHERE server_id = '${catalogId('server', 0)}'`,
    ],
    ['when a server was deleted', () => `UPDATE scheduler.servers SET deleted_at = now() WHERE id = '${catalogId('server', 0)}'`],
  ])('is as one reads it who has never looked, %s', async (name, change) => {
    const sql = change();
    if (sql) await scheduler.sql(sql);
    if (name === 'when time passed it') scheduler.clock.advance(6 * 3_600_000);
    const told = (await scheduler.call('GET', '/api/v2/status', undefined, viewer)).body;
    const { at, ...status } = told as { at: string };
    expect(Math.abs(Date.parse(at) - scheduler.clock.now().getTime())).toBeLessThan(60_000);
    expect(withoutSeconds(status)).toEqual(withoutSeconds(await statusByStranger()));
  });

  it('tells another organization nothing', async () => {
    const stranger: Principal = { ...viewer, organization: newId('organization') };
    expect((await scheduler.call('GET', '/api/v2/status', undefined, stranger)).body).toMatchObject({ databases: [] });
  });
});

/** The two looks are a moment apart. */
function withoutSeconds(status: object): object {
  return JSON.parse(JSON.stringify(status), (key, value: unknown) =>
    /AgeSeconds$/.test(key) && key !== 'allowedAgeSeconds' && typeof value === 'number' ? Math.round(value / 600) : value,
  ) as object;
}
