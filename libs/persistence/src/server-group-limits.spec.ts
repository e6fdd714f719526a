import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startPostgresql, type PostgresqlServer } from '@rahat/test-servers';
import type { MigrationInterface, QueryRunner } from 'typeorm';
import {
  enableRowSecurity,
  limitToServerGroups,
  messagingTables,
  openServiceDatabase,
  provisionDatabase,
  REACHED_GROUPS,
  REACHED_SERVERS,
  wholeOrganization,
  type ServiceDatabase,
  type Tenant,
  type Transaction,
} from './index.js';

class CreateServers1764000000000 implements MigrationInterface {
  name = 'CreateServers1764000000000';
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE servers (id text PRIMARY KEY, organization_id text NOT NULL, group_ids text[] NOT NULL);
      CREATE TABLE notes (id text PRIMARY KEY, organization_id text NOT NULL, server_id text NOT NULL REFERENCES servers);
      CREATE TABLE settings (id text PRIMARY KEY, organization_id text NOT NULL);
      CREATE TABLE forgotten (id text PRIMARY KEY, organization_id text NOT NULL);
      CREATE FUNCTION reached_servers(text, text[]) RETURNS SETOF text LANGUAGE sql STABLE
        AS $$ SELECT id FROM scheduler.servers WHERE organization_id = $1 AND group_ids && $2 $$;
    `);
    await runner.query(messagingTables('scheduler'));
    for (const table of ['servers', 'notes', 'settings', 'forgotten']) await runner.query(enableRowSecurity('scheduler', table));
    await runner.query(
      limitToServerGroups('scheduler', {
        servers: { rows: `EXISTS (SELECT FROM unnest(group_ids) AS own WHERE own IN ${REACHED_GROUPS})` },
        notes: { rows: `server_id IN ${REACHED_SERVERS}` },
        settings: 'read',
        outbox: 'append',
      }),
    );
  }
  async down(): Promise<void> {}
}

const ids = async (database: ServiceDatabase, tenant: Tenant | string, sql = 'SELECT id FROM notes ORDER BY id') =>
  (await database.inOrganization(tenant, (transaction) => transaction.query<{ id: string }>(sql))).map(({ id }) => id);
const inGroups = (...serverGroups: string[]): Tenant => ({ organization: 'org_a', serverGroups });
const WRITE_OUTBOX = `INSERT INTO outbox (id, kind, name, payload, priority) VALUES ('m1', 'event', 'x', '{}', 0) ON CONFLICT (id) DO NOTHING`;

/** PostgreSQL 16 changed who inherits what of a role. */
describe.each([15, 18] as const)('a tenant that is limited to server groups, on PostgreSQL %s', (major) => {
  let server: PostgresqlServer;
  let database: ServiceDatabase;

  beforeAll(async () => {
    server = await startPostgresql({ major });
    // As an older version of ours left it: roles that inherit from what they can become.
    await server.query(`CREATE ROLE operator LOGIN CREATEROLE PASSWORD 'pw'`);
    await server.query(`GRANT CREATE ON DATABASE postgres TO operator`);
    const adminUrl = new URL(server.connectionString());
    [adminUrl.username, adminUrl.password] = ['operator', 'pw'];
    const provision = () => provisionDatabase({ adminUrl: adminUrl.toString(), services: [{ name: 'scheduler', password: 'pw' }] });
    await provision();
    await server.query(`ALTER ROLE rahat_scheduler INHERIT`);
    const { serviceUrls } = await provision();
    database = await openServiceDatabase({
      url: serviceUrls['scheduler']!,
      service: 'scheduler',
      migrations: [CreateServers1764000000000],
      poolSize: 1,
    });
    for (const [organization, name, groups] of [
      ['org_a', 'one', '{g1}'],
      ['org_a', 'two', '{g2}'],
      ['org_a', 'none', '{}'],
      ['org_b', 'other', '{g1}'],
    ] as const)
      await database.inOrganization(organization, async (transaction) => {
        await transaction.query(`INSERT INTO servers VALUES ($1, $2, $3)`, [`server_${name}`, organization, groups]);
        await transaction.query(`INSERT INTO notes VALUES ($1, $2, $3)`, [`note_${name}`, organization, `server_${name}`]);
      });
  });
  afterAll(async () => {
    await database?.close();
    await server?.[Symbol.asyncDispose]();
  });

  it('has what hangs on servers of these groups, of its organization, and nothing else', async () => {
    expect(await ids(database, inGroups('g1'))).toEqual(['note_one']);
    expect(await ids(database, inGroups('g1', 'g2', 'g3'))).toEqual(['note_one', 'note_two']);
    expect(await ids(database, inGroups('g3'))).toEqual([]);
    expect(await ids(database, inGroups())).toEqual([]);
    expect(await ids(database, wholeOrganization('org_a'))).toEqual(['note_none', 'note_one', 'note_two']);
    expect(await ids(database, 'org_a')).toEqual(['note_none', 'note_one', 'note_two']);
  });

  it('writes nothing beyond them', async () => {
    const write = (sql: string) => database.inOrganization(inGroups('g1'), (transaction) => transaction.query(sql));
    await expect(write(`INSERT INTO notes VALUES ('x', 'org_a', 'server_two')`)).rejects.toThrow(/row-level security/);
    await expect(write(`UPDATE notes SET server_id = 'server_two'`)).rejects.toThrow(/row-level security/);
    await expect(write(`UPDATE servers SET group_ids = '{g2}'`)).rejects.toThrow(/row-level security/);
    await expect(write(`INSERT INTO servers VALUES ('x', 'org_b', '{g1}')`)).rejects.toThrow(/row-level security/);
    expect(await write(`DELETE FROM notes WHERE server_id = 'server_two' RETURNING id`)).toEqual([]);
  });

  it('reads what is for all alone, adds messages without reading them, and finds a table without a rule closed', async () => {
    const act = (sql: string) => database.inOrganization(inGroups('g1'), (transaction) => transaction.query(sql));
    expect(await act('SELECT * FROM settings')).toEqual([]);
    await act(WRITE_OUTBOX);
    for (const sql of [
      `INSERT INTO settings VALUES ('x', 'org_a')`,
      'SELECT payload FROM outbox',
      'DELETE FROM outbox',
      'SELECT * FROM forgotten',
      'SELECT * FROM processed_messages',
    ])
      await expect(act(sql)).rejects.toThrow(/permission denied/);
  });

  it('lets a decision rest on all of the organization, and is limited again afterwards, whatever came of it', async () => {
    const seen = await database.inOrganization(inGroups('g1'), async (transaction) => {
      const count = async () => (await transaction.query(`SELECT id FROM notes`)).length;
      const beyond = await transaction.inWholeOrganization(count);
      const after = await count();
      await transaction.inWholeOrganization(() => Promise.reject(new Error('refused'))).catch(() => undefined);
      return [beyond, after, await count()];
    });
    expect(seen).toEqual([3, 1, 1]);
    await expect(
      database.inOrganization(inGroups('g1'), (transaction) => transaction.inWholeOrganization(() => transaction.query('SELECT nonsense'))),
    ).rejects.toThrow(/nonsense/);
    expect(
      await database.inOrganization('org_b', (transaction) =>
        transaction.inWholeOrganization(() => transaction.query('SELECT id FROM notes')),
      ),
    ).toEqual([{ id: 'note_other' }]);
  });

  it('leaves nothing of its limit on the connection, nor in what the connection has prepared', async () => {
    const read = (transaction: Transaction) =>
      transaction.prepared<{ id: string }>('SELECT id FROM notes WHERE id <> $1 ORDER BY id', ['none']);
    for (let time = 0; time < 8; time++) {
      expect(await database.inOrganization(inGroups('g2'), read)).toEqual([{ id: 'note_two' }]);
      expect(await database.inOrganization(inGroups('g1'), read)).toEqual([{ id: 'note_one' }]);
      expect(await database.inOrganization('org_a', read)).toHaveLength(3);
      expect(await database.asSystem('test', read)).toHaveLength(4);
    }
  });

  it('is refused by a schema that the service itself would be limited in', async () => {
    await server.query(
      `ALTER ROLE rahat_scheduler INHERIT; GRANT rahat_scheduler_restricted TO rahat_scheduler${major >= 16 ? ' WITH INHERIT TRUE' : ''}`,
    );
    await expect(
      database.inOrganization('org_a', (transaction) => transaction.query(limitToServerGroups('scheduler', { forgotten: 'read' }))),
    ).rejects.toThrow(/inherits from rahat_scheduler_restricted/);
  });
});
