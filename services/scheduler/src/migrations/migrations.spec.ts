import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newId } from '@rahat/contracts';
import { openServiceDatabase, provisionDatabase } from '@rahat/persistence';
import { startPostgresql, type PostgresqlServer } from '@rahat/test-servers';
import { schedulerMigrations } from './index.js';

let server: PostgresqlServer;
beforeAll(async () => {
  server = await startPostgresql({ major: 15 });
});
afterAll(async () => server?.stop());

describe('the migrations', () => {
  it('keep plans, their schedules and what is under way in an installation that is older', async () => {
    const { serviceUrls } = await provisionDatabase({
      adminUrl: server.connectionString(),
      services: [{ name: 'scheduler', password: 'pw' }],
    });
    const open = (count: number) =>
      openServiceDatabase({
        url: serviceUrls['scheduler']!,
        service: 'scheduler',
        migrations: schedulerMigrations.slice(0, count),
        poolSize: 2,
      });
    const [organization, one, plan, byHand] = [newId('organization'), newId('server'), newId('plan'), newId('plan')];
    const older = await open(1);
    await older.inOrganization(organization, async (transaction) => {
      await transaction.query(
        `INSERT INTO servers (id, organization_id, name, engine, address, sealed_password, password_set_at, pool) VALUES ($1, $2, 'shop-db', 'postgresql', '{}', 'x', now(), 'default')`,
        [one, organization],
      );
      for (const [id, name, cron] of [
        [plan, 'nightly', '0 3 * * *'],
        [byHand, 'by hand', null],
      ])
        await transaction.query(
          `INSERT INTO plans (id, organization_id, name, server_id, method, databases, repository_id, cron, time_zone, catch_up, keep_last, keep_proven, verify, deep, max_attempts, deadline_minutes, planned_until)
           VALUES ($1, $2, $3, $4, 'postgresql.logical', '"all"', 'repository_1', $5, 'Europe/Istanbul', 'run_once', 5, 2, '{}', false, 3, 60, now())`,
          [id, organization, name, one, cron],
        );
      for (const [state, attempt, cause] of [
        ['expected', 0, 'schedule'],
        ['running', 1, 'schedule'],
        ['due', 0, 'person'],
      ])
        await transaction.query(
          `INSERT INTO runs (id, organization_id, type, state, cause, attempt, max_attempts, plan_id, server_id, method, repository_id, deadline_minutes, due_at, heartbeat_at, worker)
           VALUES ($1, $2, 'backup', $3, $4, $5, 3, $6, $7, 'postgresql.logical', 'repository_1', 60, now() + $5::int * interval '1 hour', now(), 'w')`,
          [newId('run'), organization, state, cause, attempt, plan, one],
        );
    });
    await older.close();

    const newer = await open(schedulerMigrations.length);
    const seen = await newer.inOrganization(organization, async (transaction) => ({
      schedules: await transaction.query(`SELECT plan_id, type, cron, time_zone FROM schedules`),
      plans: await transaction.query(`SELECT server_ids, priority, hooks, pause FROM plans`),
      runs: await transaction.query(
        `SELECT state, backup_type, occurs_at IS NOT NULL AS occurs, admitted_at IS NOT NULL AS admitted, progressed_at IS NOT NULL AS progressed FROM runs ORDER BY state`,
      ),
      marks: await transaction.query(`SELECT server_id, plan_id, database_id FROM protection_marks`),
    }));
    await newer.close();
    expect(seen.schedules).toEqual([{ plan_id: plan, type: 'full', cron: '0 3 * * *', time_zone: 'Europe/Istanbul' }]);
    expect(seen.plans).toEqual([1, 2].map(() => ({ server_ids: [one], priority: 50, hooks: [], pause: null })));
    expect(seen.marks).toEqual([{ server_id: one, plan_id: plan, database_id: '' }]);
    expect(seen.runs).toEqual([
      { state: 'due', backup_type: 'full', occurs: false, admitted: false, progressed: false },
      { state: 'expected', backup_type: 'full', occurs: true, admitted: false, progressed: false },
      { state: 'running', backup_type: 'full', occurs: true, admitted: false, progressed: true },
    ]);
  });
});
