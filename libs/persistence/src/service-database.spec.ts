import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startPartingProxy, startPostgresql, type PostgresqlServer } from '@rahat/test-servers';
import pg from 'pg';
import type { MigrationInterface, QueryRunner } from 'typeorm';
import {
  DatabaseAway,
  enableRowSecurity,
  handToKeeper,
  messagingTables,
  openServiceDatabase,
  provisionDatabase,
  type ServiceDatabase,
  type Transaction,
} from './index.js';

class CreateNotes1764000000000 implements MigrationInterface {
  name = 'CreateNotes1764000000000';
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE TABLE notes (id text PRIMARY KEY, organization_id text NOT NULL, body text NOT NULL)`);
    await runner.query(enableRowSecurity('scheduler', 'notes'));
    await runner.query(messagingTables('scheduler'));
  }
  async down(): Promise<void> {}
}

const SERVICES = [
  { name: 'scheduler', password: "p'w\\1$x" },
  { name: 'audit', password: 'pw-audit' },
];

/** What nobody may do to a table that was handed to the keeper, whatever it owned before. */
const KEPT = [
  'UPDATE kept SET a = 2',
  'DELETE FROM kept',
  'TRUNCATE kept',
  'DROP TABLE kept',
  'ALTER TABLE kept OWNER TO CURRENT_USER',
  'SET ROLE rahat_audit_keeper',
  'SET ROLE rahat_audit_system; DELETE FROM kept',
  'ALTER SCHEMA audit OWNER TO CURRENT_USER',
];

let server: PostgresqlServer;
let urls: Record<string, string>;
let database: ServiceDatabase;
const reasons: string[] = [];

const openScheduler = (poolSize = 4) =>
  openServiceDatabase({
    url: urls.scheduler!,
    service: 'scheduler',
    migrations: [CreateNotes1764000000000],
    poolSize,
    log: { debug: (fields) => void reasons.push((fields as { reason: string }).reason) },
  });

const insert = (organization: string, id: string, owner = organization) =>
  database.inOrganization(organization, (transaction) => transaction.query(`INSERT INTO notes VALUES ($1, $2, 'x')`, [id, owner]));
const idsOf = (rows: Record<string, unknown>[]) => rows.map((row) => row.id).sort();

beforeAll(async () => {
  server = await startPostgresql({ major: 18 });
  urls = (await provisionDatabase({ adminUrl: server.connectionString(), services: SERVICES })).serviceUrls;
  // Two replicas start at once.
  const [first, second] = await Promise.all([openScheduler(), openScheduler()]);
  database = first;
  await second.close();
  await insert('org_a', 'a1');
  await insert('org_b', 'b1');
});

afterAll(async () => {
  await database?.close();
  await server?.[Symbol.asyncDispose]();
});

describe('a service database', () => {
  it('shows an organization its own rows only', async () => {
    expect(idsOf(await database.inOrganization('org_a', (t) => t.query('SELECT id FROM notes')))).toEqual(['a1']);
    expect(await database.inOrganization('org_a', (t) => t.query(`DELETE FROM notes WHERE id = 'b1' RETURNING id`))).toEqual([]);
    expect(idsOf(await database.inOrganization('org_b', (t) => t.query(`UPDATE notes SET body = 'y' RETURNING id`)))).toEqual(['b1']);
  });

  it('refuses a row that is written for another organization', async () => {
    await expect(insert('org_a', 'a2', 'org_b')).rejects.toThrow(/row-level security/);
  });

  it('shows no rows to a connection without an organization, even of the table owner', async () => {
    expect(await queryAs(urls.scheduler!, 'SELECT id FROM notes')).toEqual([]);
    expect(await database.inOrganization('', (t) => t.query('SELECT id FROM notes'))).toEqual([]);
  });

  it('forgets organization and system role when a pooled connection is used again', async () => {
    const narrow = await openScheduler(1);
    try {
      expect(await narrow.asSystem('test', (t) => t.query('SELECT id FROM notes'))).toHaveLength(2);
      expect(await narrow.inOrganization('org_c', (t) => t.query('SELECT id FROM notes'))).toEqual([]);
    } finally {
      await narrow.close();
    }
  });

  it('keeps organizations apart in statements that a connection has prepared before', async () => {
    const narrow = await openScheduler(1);
    const read = (t: Transaction) => t.prepared<{ id: string }>('SELECT id FROM notes WHERE id <> $1 ORDER BY id', ['none']);
    try {
      for (let time = 0; time < 8; time++) {
        expect(idsOf(await narrow.asSystem('test', read))).toEqual(['a1', 'b1']);
        expect(idsOf(await narrow.inOrganization('org_b', read))).toEqual(['b1']);
        expect(idsOf(await narrow.inOrganization('org_c', read))).toEqual([]);
      }
      await expect(narrow.inOrganization('org_a', (t) => t.prepared('SELECT $1::int', ['x']))).rejects.toThrow(/invalid input syntax/);
      expect(idsOf(await narrow.inOrganization('org_a', read))).toEqual(['a1']);
    } finally {
      await narrow.close();
    }
  });

  it('sees every organization as system, and logs why', async () => {
    expect(idsOf(await database.asSystem('count notes', (t) => t.query('SELECT id FROM notes')))).toEqual(['a1', 'b1']);
    expect(reasons).toContain('count notes');
  });

  it("keeps another service's role out of its schema", async () => {
    await expect(queryAs(urls.audit!, 'SELECT * FROM scheduler.notes')).rejects.toThrow(/permission denied for schema scheduler/);
    await expect(queryAs(urls.audit!, 'SET ROLE rahat_scheduler_system')).rejects.toThrow(/permission denied/);
    await expect(queryAs(urls.audit!, 'CREATE TABLE public.mine (a int)')).rejects.toThrow(/permission denied/);
  });

  it('runs a transaction again after a deadlock', async () => {
    await insert('org_d', 'd1');
    await insert('org_d', 'd2');
    const bothHoldOne = barrier(2);
    let runs = 0;
    const lockInOrder = (ids: string[]) =>
      database.inOrganization('org_d', async (t) => {
        runs++;
        await t.query('SELECT 1 FROM notes WHERE id = $1 FOR UPDATE', [ids[0]]);
        await bothHoldOne();
        await t.query('SELECT 1 FROM notes WHERE id = $1 FOR UPDATE', [ids[1]]);
      });
    await Promise.all([lockInOrder(['d1', 'd2']), lockInOrder(['d2', 'd1'])]);
    expect(runs).toBe(3);
  });

  it('reacts after a commit, and not after a rollback', async () => {
    const reactions: string[] = [];
    await database.inOrganization('org_a', async (t) => t.afterCommit(() => reactions.push('committed')));
    await database
      .inOrganization('org_a', async (t) => {
        t.afterCommit(() => reactions.push('rolled back'));
        throw new Error('no');
      })
      .catch(() => undefined);
    expect(reactions).toEqual(['committed']);
  });

  it('ends with its last question, and takes none afterwards', async () => {
    const reactions: string[] = [];
    const note = (id: string): [string, unknown[]] => [`INSERT INTO notes VALUES ($1, 'org_a', 'last') RETURNING id`, [id]];
    const written = await database.inOrganization('org_a', async (t) => {
      t.afterCommit(() => reactions.push('committed'));
      await t.query(...note('last-1'));
      return t.last.query<{ id: string }>(...note('last-2'));
    });
    expect([written, reactions]).toEqual([[{ id: 'last-2' }], ['committed']]);
    const kept = () =>
      database.inOrganization('org_a', (t) =>
        t.last.prepared<{ id: string }>(`SELECT id FROM notes WHERE id LIKE $1 ORDER BY id`, ['last-%']),
      );
    expect(await kept()).toEqual([{ id: 'last-1' }, { id: 'last-2' }]);
    const failing = database.inOrganization('org_a', async (t) => {
      await t.query(...note('last-3'));
      return t.last.query(...note('last-1'));
    });
    await expect(failing).rejects.toMatchObject({ code: '23505' });
    const late = database.inOrganization('org_a', async (t) => {
      await t.last.query(...note('last-4'));
      await t.query(...note('last-5'));
    });
    await expect(late).rejects.toThrow('after the last question');
    expect(await kept()).toEqual([{ id: 'last-1' }, { id: 'last-2' }, { id: 'last-4' }]);
  });

  it('tells what kept a transaction from beginning, and does nothing outside of one', async () => {
    await server.query(`ALTER ROLE rahat_scheduler_system RENAME TO rahat_scheduler_away`);
    try {
      const failing = database.asSystem('test', async (t) => {
        await t.query(`INSERT INTO notes VALUES ('outside', 'org_a', 'x')`);
        return t.last.query(`INSERT INTO notes VALUES ('outside-2', 'org_a', 'x')`);
      });
      await expect(failing).rejects.toThrow(/rahat_scheduler_system/);
    } finally {
      await server.query(`ALTER ROLE rahat_scheduler_away RENAME TO rahat_scheduler_system`);
    }
    expect(await database.asSystem('test', (t) => t.query(`SELECT id FROM notes WHERE id LIKE 'outside%'`))).toEqual([]);
  });

  it('calls text that PostgreSQL cannot store invalid input', async () => {
    const unstorable = (sql: string, value: string) => database.inOrganization('org_a', (transaction) => transaction.query(sql, [value]));
    for (const [sql, value] of [
      [`INSERT INTO notes VALUES ('nul', 'org_a', $1)`, 'a\0b'],
      [`SELECT ($1::jsonb ->> 'name')`, JSON.stringify({ name: 'a\0b' })],
    ] as const) {
      await expect(unstorable(sql, value)).rejects.toMatchObject({ code: 'invalid_input', retryable: false });
    }
  });

  it.each([
    ['53100', /disk .* is full/],
    ['53200', /not reachable/],
    ['58030', /not reachable/],
  ])('says unavailable when PostgreSQL has nothing left to work with (%s)', async (state, words) => {
    const failing = database.asSystem('test', (transaction) =>
      transaction.query(`DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '${state}', MESSAGE = 'told by the test'; END $$`),
    );
    const error = await failing.catch((error: unknown) => error);
    expect(error).toBeInstanceOf(DatabaseAway);
    expect(error).toMatchObject({ code: 'unavailable', retryable: true, message: expect.stringMatching(words) });
  });

  it('says unavailable while PostgreSQL is away, and works again after it is back', async () => {
    await server.stop('immediate');
    await expect(insert('org_a', 'a3')).rejects.toMatchObject({ code: 'unavailable', retryable: true });
    await server.restart();
    await insert('org_a', 'a3');
  });

  it('says so, too, where PostgreSQL goes down in the moment in which it lets somebody in', async () => {
    await using proxy = await startPartingProxy(server.port);
    const url = new URL(urls.scheduler!);
    url.port = String(proxy.port);
    const through = await openServiceDatabase({ url: url.href, service: 'scheduler', migrations: [CreateNotes1764000000000], poolSize: 4 });
    const count = () => through.inOrganization('org_a', (transaction) => transaction.query('SELECT count(*) FROM notes'));
    await count();
    proxy.parting = true;
    await server.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'rahat_scheduler'`);
    while (proxy.parted < 8) await expect(Promise.all([count(), count(), count(), count()])).rejects.toMatchObject({ code: 'unavailable' });
    proxy.parting = false;
    await expect(count()).resolves.toHaveLength(1);
    await through.close();
  });
});

describe('provisioning', () => {
  it('can be repeated, also with another password', async () => {
    const again = await provisionDatabase({
      adminUrl: server.connectionString(),
      services: [SERVICES[0]!, { name: 'audit', password: 'changed' }],
    });
    expect(await queryAs(again.serviceUrls.audit!, 'SELECT current_user')).toEqual([{ current_user: 'rahat_audit' }]);
    await expect(queryAs(urls.audit!, 'SELECT 1')).rejects.toThrow(/password authentication failed/);
  });

  // PostgreSQL 16 changed what CREATEROLE may do.
  it.each([15, 18] as const)(
    'works on PostgreSQL %i for a user with CREATEROLE and CREATE, and names what a lesser user lacks',
    async (major) => {
      await using other = await startPostgresql({ major });
      await other.query(`CREATE ROLE operator LOGIN PASSWORD 'op'`);
      await other.query(`CREATE DATABASE metadata`);
      const adminUrl = other.connectionString('metadata').replace(/\/\/[^@]*@/, '//operator:op@');
      await expect(provisionDatabase({ adminUrl, services: SERVICES })).rejects.toMatchObject({
        code: 'configuration_invalid',
        message: 'The database user operator lacks CREATEROLE and CREATE on database metadata',
        hint: expect.stringContaining('ALTER ROLE "operator" CREATEROLE; GRANT CREATE ON DATABASE "metadata" TO "operator";'),
      });
      await other.query(`ALTER ROLE operator CREATEROLE`);
      await other.query(`GRANT CREATE ON DATABASE metadata TO operator`);
      const queue = { schema: 'bullmq', role: 'rahat_queue', password: 'q' };
      for (let round = 0; round < 2; round++) {
        const made = await provisionDatabase({ adminUrl, services: SERVICES, queue });
        expect(await queryAs(made.queueUrl!, 'SELECT current_schema() AS schema')).toEqual([{ schema: 'bullmq' }]);
        const url = made.serviceUrls.audit!;
        if (round === 0) await queryAs(url, `CREATE TABLE kept (a int); ${handToKeeper('audit', { tables: ['kept'], functions: [] })}`);
        await queryAs(url, `INSERT INTO kept VALUES (1)`);
        for (const taken of KEPT) await expect(queryAs(url, taken)).rejects.toThrow(/permission denied|must be (owner|able)/);
        expect(await queryAs(url, 'SELECT count(*)::int AS rows FROM kept')).toEqual([{ rows: round + 1 }]);
      }
      await expect(
        queryAs(adminUrl.replace('operator:op', 'rahat_audit:pw-audit'), handToKeeper('scheduler', { tables: [], functions: [] })),
      ).rejects.toThrow(/permission denied/);
    },
  );
});

async function queryAs(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows as Record<string, unknown>[];
  } finally {
    await client.end();
  }
}

/** Holds its first `count` callers until all of them are there; later ones pass. */
function barrier(count: number): () => Promise<void> {
  let waiting = 0;
  let open = () => {};
  const opened = new Promise<void>((resolve) => (open = resolve));
  return async () => {
    if (++waiting === count) open();
    await opened;
  };
}
