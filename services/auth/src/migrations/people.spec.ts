import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { openServiceDatabase, provisionDatabase, type ServiceDatabase } from '@rahat/persistence';
import { startPostgresql, type PostgresqlServer } from '@rahat/test-servers';
import { authMigrations } from './index.js';

/** As they were before people could belong to several organizations. */
const OLDER = authMigrations.slice(0, 2);

let server: PostgresqlServer;
let database: ServiceDatabase;
beforeAll(async () => {
  server = await startPostgresql({ major: 15 });
  const { serviceUrls } = await provisionDatabase({ adminUrl: server.connectionString(), services: [{ name: 'auth', password: 'pw' }] });
  const open = (migrations: typeof authMigrations) =>
    openServiceDatabase({ url: serviceUrls['auth']!, service: 'auth', migrations, poolSize: 2 });
  const older = await open(OLDER);
  for (const name of ['a', 'b'])
    await older.asSystem('fill', (t) => t.query(`INSERT INTO organizations (organization_id, name) VALUES ($1, $1)`, [name]));
  for (const name of ['a', 'b']) await makeMember(older, name, 'before');
  await older.close();
  database = await open(authMigrations);
}, 60_000);
afterAll(async () => {
  await database?.close();
  await server?.[Symbol.asyncDispose]();
});

it('keeps users where they were, each seen by their own organization alone', async () => {
  for (const name of ['a', 'b'])
    expect(await database.inOrganization(name, (t) => t.query(`SELECT id, email FROM users`))).toEqual([
      { id: `before-${name}`, email: `before@${name}.example` },
    ]);
  expect(await database.asSystem('look', (t) => t.query(`SELECT FROM users`))).toHaveLength(2);
});

it('lets a service of before work beside it', async () => {
  await makeMember(database, 'a', 'after');
  expect(await database.inOrganization('a', (t) => t.query(`SELECT id FROM users ORDER BY id`))).toEqual([
    { id: 'after-a' },
    { id: 'before-a' },
  ]);
  expect(await database.inOrganization('b', (t) => t.query(`SELECT id FROM users`))).toEqual([{ id: 'before-b' }]);
});

/** With the statements of the service of then: first the user, then the membership. */
async function makeMember(into: ServiceDatabase, organization: string, name: string): Promise<void> {
  await into.inOrganization(organization, async (t) => {
    const id = `${name}-${organization}`;
    await t.query(`INSERT INTO users (id, organization_id, email, name, password_hash) VALUES ($1, $2, $3, $4, $5)`, [
      id,
      organization,
      `${name}@${organization}.example`,
      name,
      'x',
    ]);
    await t.query(`INSERT INTO memberships (organization_id, user_id, role) VALUES ($1, $2, 'owner')`, [organization, id]);
  });
}
