import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openServiceDatabase, provisionDatabase } from '@rahat/persistence';
import { startPostgresql, type PostgresqlServer } from '@rahat/test-servers';
import { schedulerMigrations } from './index.js';

const LIMITED = 'rahat_scheduler_restricted';
/** All of the organization's, and of nobody in it. */
const READ = ['collection_policies', 'memory', 'scheduling', 'templates'];
const APPENDED = ['outbox'];
/** Of the service itself. Whoever adds a table here says that nobody asks for it in the name of a limited person. */
const CLOSED = ['migrations', 'processed_messages', 'repository_places', 'workers'];

let server: PostgresqlServer;
beforeAll(async () => {
  server = await startPostgresql({ major: 15 });
  const { serviceUrls } = await provisionDatabase({
    adminUrl: server.connectionString(),
    services: [{ name: 'scheduler', password: 'pw' }],
  });
  const database = await openServiceDatabase({
    url: serviceUrls['scheduler']!,
    service: 'scheduler',
    migrations: schedulerMigrations,
    poolSize: 1,
  });
  await database.close();
});
afterAll(async () => server?.stop());

const columnOf = async (sql: string) => ((await server.query(sql)) as { name: string }[]).map(({ name }) => name);
const tablesWith = (privilege: string) =>
  columnOf(
    `SELECT relname AS name FROM pg_class WHERE relnamespace = 'scheduler'::regnamespace AND relkind = 'r'
       AND has_table_privilege('${LIMITED}', oid, '${privilege}') ORDER BY relname`,
  );

describe('for whoever is limited to server groups each table', () => {
  it('has a rule of its own, is read alone, or is closed', async () => {
    const tables = await columnOf(
      `SELECT relname AS name FROM pg_class WHERE relnamespace = 'scheduler'::regnamespace AND relkind = 'r' ORDER BY relname`,
    );
    const ruled = await columnOf(
      `SELECT tablename AS name FROM pg_policies WHERE schemaname = 'scheduler' AND permissive = 'RESTRICTIVE' AND roles = '{${LIMITED}}'
         AND cmd = 'ALL' AND qual IS NOT NULL AND with_check = qual ORDER BY tablename`,
    );
    expect(ruled.length).toBeGreaterThan(10);
    expect(tables).toEqual([...ruled, ...READ, ...APPENDED, ...CLOSED].toSorted());
    expect(await tablesWith('SELECT')).toEqual([...ruled, ...READ].toSorted());
    expect(await tablesWith('INSERT')).toEqual([...ruled, ...APPENDED].toSorted());
    for (const privilege of ['UPDATE', 'DELETE']) expect(await tablesWith(privilege)).toEqual(ruled);
    for (const privilege of ['TRUNCATE', 'REFERENCES', 'TRIGGER']) expect(await tablesWith(privilege)).toEqual([]);
  });

  it('that names a server, or what hangs on one, is among those with a rule', async () => {
    const hanging = await columnOf(
      `SELECT DISTINCT table_name AS name FROM information_schema.columns WHERE table_schema = 'scheduler'
         AND column_name IN ('server_id', 'server_ids', 'plan_id', 'run_id', 'backup_id', 'database_id', 'group_ids') ORDER BY table_name`,
    );
    const ruled = await columnOf(`SELECT tablename AS name FROM pg_policies WHERE schemaname = 'scheduler' AND permissive = 'RESTRICTIVE'`);
    expect(hanging.filter((table) => !ruled.includes(table))).toEqual([]);
  });

  it('is no other than for a role that logs in nowhere, bypasses nothing and inherits to nobody', async () => {
    expect(
      await server.query(`SELECT rolcanlogin, rolsuper, rolbypassrls, rolcreaterole FROM pg_roles WHERE rolname = '${LIMITED}'`),
    ).toEqual([{ rolcanlogin: false, rolsuper: false, rolbypassrls: false, rolcreaterole: false }]);
    expect(
      await server.query(
        `SELECT pg_has_role('rahat_scheduler', '${LIMITED}', 'MEMBER') AS enters, pg_has_role('rahat_scheduler', '${LIMITED}', 'USAGE') AS inherits`,
      ),
    ).toEqual([{ enters: true, inherits: false }]);
  });
});
