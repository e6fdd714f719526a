import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { BackupUserRequest } from '@rahat/connector-kit';
import type { PostgresqlConnection, PreflightReport } from '@rahat/contracts';
import { hasPostgresql, type PostgresqlServer, startPostgresql } from '@rahat/test-servers';
import pg from 'pg';
import { quoteIdentifier } from '../errors.js';
import { connectionTo, failureOf } from '../physical/test-parts.js';
import { preflightReport } from '../preflight/report.js';
import { makeBackupUser } from './make-backup-user.js';
import { removeBackupUser } from './remove-backup-user.js';

const ODD_USER = `We"ird $$ \\ Üser'; --`;
const MARK = "Rahat Backup, server_1'";
const PASSWORD = 'planted p@ss w0rd \'"\\';

const contextOf = (signal = new AbortController().signal) => ({ toolFolders: [], scratchFolder: '/nowhere', signal });

function requestOf(change: Partial<BackupUserRequest> = {}): BackupUserRequest {
  return {
    name: ODD_USER,
    password: PASSWORD,
    uses: ['logical'],
    mark: MARK,
    keepPassword: false,
    byObject: false,
    identity: null,
    ...change,
  };
}

async function logIn(server: PostgresqlServer, user: string, password = PASSWORD, database = 'shop'): Promise<pg.Client> {
  const client = new pg.Client({ host: server.host, port: server.port, user, password, database });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

describe.each([13, 15, 18] as const)('a backup user on PostgreSQL %i', (major) => {
  if (!hasPostgresql(major)) return it.skip('needs that server', () => undefined);
  let server: PostgresqlServer;
  let admin: PostgresqlConnection;
  const opened: pg.Client[] = [];

  beforeAll(async () => {
    server = await startPostgresql({ major, settings: { log_statement: 'all' } });
    admin = connectionTo(server);
    await server.query(`CREATE ROLE owner; CREATE ROLE maker LOGIN CREATEROLE PASSWORD 'pw'`);
    await server.query('CREATE DATABASE shop OWNER owner');
    await server.query('CREATE DATABASE closed');
    await server.query('REVOKE CONNECT ON DATABASE closed FROM PUBLIC');
    await server.query(
      `CREATE SCHEMA sales AUTHORIZATION owner; SET ROLE owner; CREATE TABLE sales.orders (id serial, v text); INSERT INTO sales.orders (v) VALUES ('x');
       CREATE TABLE sales.tenant (v text); ALTER TABLE sales.tenant ENABLE ROW LEVEL SECURITY; INSERT INTO sales.tenant VALUES ('hidden');`,
      undefined,
      'shop',
    );
  }, 60_000);
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((client) => client.end()));
    for (const name of [ODD_USER, 'plain']) await removeBackupUser(admin, name, MARK, contextOf().signal);
  });
  afterAll(async () => server?.[Symbol.asyncDispose]());

  const roles = async () =>
    (await server.query<{ name: string }>(`SELECT rolname AS name FROM pg_roles WHERE rolname IN ($1, 'plain')`, [ODD_USER])).map(
      ({ name }) => name,
    );
  const asUser = async (database = 'shop') => {
    const client = await logIn(server, ODD_USER, PASSWORD, database);
    opened.push(client);
    return client;
  };

  it('reads everything, also what comes later, and changes nothing', async () => {
    const made = await makeBackupUser(admin, requestOf(), contextOf());
    expect(made).toMatchObject({ user: ODD_USER, created: true, notGranted: [] });
    const blockers = made.report.findings.filter(({ code, severity }) => severity === 'blocker' && code !== 'tool_missing');
    expect(blockers).toEqual([]);
    expect(made.report.databases).toEqual(['closed', 'postgres', 'shop']);

    await server.query('SET ROLE owner; CREATE SCHEMA later; CREATE TABLE later.late AS SELECT 1 AS v', undefined, 'shop');
    const client = await asUser();
    const read = async (sql: string) => (await client.query<{ v: unknown }>(sql)).rows.map(({ v }) => v);
    expect(await read('SELECT v FROM sales.orders')).toEqual(['x']);
    await client.query('SET row_security = off');
    expect((await client.query('SELECT v FROM sales.tenant')).rows).toEqual([{ v: 'hidden' }]);
    expect(await read('SELECT v FROM later.late')).toEqual([1]);
    // What a follower does for its heartbeat.
    await client.query('SELECT pg_current_xact_id()');

    for (const sql of [
      `INSERT INTO sales.orders (v) VALUES ('y')`,
      `UPDATE sales.orders SET v = 'y'`,
      'DELETE FROM sales.orders',
      'TRUNCATE sales.orders',
      'DROP TABLE sales.orders',
      'CREATE TABLE mine (v int)',
      'CREATE TEMP TABLE mine (v int)',
      'CREATE SCHEMA mine',
      'CREATE ROLE mine',
      'CREATE DATABASE mine',
      `SELECT nextval('sales.orders_id_seq')`,
      'SELECT lo_create(0)',
      `ALTER SYSTEM SET work_mem = '1GB'`,
      `SELECT pg_read_file('PG_VERSION')`,
      `COPY (SELECT 1) TO PROGRAM 'true'`,
      'SET ROLE owner',
    ]) {
      // Large objects are made by anybody, and before 16 also by who may only read.
      if (sql.includes('lo_create') && major < 16) continue;
      await expect(client.query(sql)).rejects.toMatchObject({ code: expect.stringMatching(/^(42501|25006|22023)$/) });
    }
    // Its default can be lifted; the rights it lacks can't.
    await client.query('SET default_transaction_read_only = off');
    for (const sql of [
      `INSERT INTO sales.orders (v) VALUES ('y')`,
      'CREATE SCHEMA mine',
      `SELECT nextval('sales.orders_id_seq')`,
      'CREATE TABLE sales.mine (v int)',
    ])
      await expect(client.query(sql)).rejects.toMatchObject({ code: '42501' });
    expect(server.log()).not.toContain('planted');
  });

  it('says that it could read password hashes, and cannot where every table is granted by itself', async () => {
    const told = ({ report }: { report: PreflightReport }) => report.findings.some(({ code }) => code === 'password_hashes_readable');
    expect(told(await makeBackupUser(admin, requestOf(), contextOf()))).toBe(major >= 14);
    expect(told(await makeBackupUser(admin, requestOf({ byObject: true }), contextOf()))).toBe(false);
    const client = await asUser();
    await expect(client.query('SELECT rolpassword FROM pg_authid')).rejects.toMatchObject({ code: '42501' });
    await server.query('SET ROLE owner; CREATE TABLE sales.later AS SELECT 1 AS v', undefined, 'shop');
    expect((await client.query('SELECT v FROM sales.later')).rows).toEqual([{ v: 1 }]);
  });

  it('may replicate where that is wanted, and not otherwise', async () => {
    const attributes = async () =>
      (
        await server.query(
          'SELECT rolreplication AS replication, rolsuper AS super, rolcreaterole AS roles, rolcreatedb AS databases FROM pg_roles WHERE rolname = $1',
          [ODD_USER],
        )
      )[0];
    await makeBackupUser(admin, requestOf(), contextOf());
    expect(await attributes()).toEqual({ replication: false, super: false, roles: false, databases: false });
    const made = await makeBackupUser(admin, requestOf({ uses: ['physical', 'log'] }), contextOf());
    expect(await attributes()).toEqual({ replication: true, super: false, roles: false, databases: false });
    expect(made.report.uses).toEqual([
      { use: 'physical', usable: true },
      { use: 'log', usable: true },
    ]);
    // It was for logical backups no more: nothing of the former role is left.
    await expect((await asUser()).query('SELECT v FROM sales.orders')).rejects.toMatchObject({ code: '42501' });
  });

  it('reads large objects where there are some', async () => {
    await server.query(`SET ROLE owner; SELECT lo_from_bytea(4711, 'secret')`, undefined, 'shop');
    try {
      const made = await makeBackupUser(admin, requestOf(), contextOf());
      expect(made.report.findings.filter(({ code }) => code === 'large_objects_unreadable')).toEqual([]);
      const client = await asUser();
      expect((await client.query(`SELECT convert_from(lo_get(4711), 'UTF8') AS v`)).rows).toEqual([{ v: 'secret' }]);
      if (major < 18) return;
      await client.query('SET default_transaction_read_only = off');
      await expect(client.query('SELECT lo_unlink(4711)')).rejects.toMatchObject({ code: '42501' });
    } finally {
      await server.query('SELECT lo_unlink(4711)', undefined, 'shop');
    }
  });

  it('replaces what an attempt left, but no role of somebody else', async () => {
    await makeBackupUser(admin, requestOf({ password: 'first' }), contextOf());
    expect((await makeBackupUser(admin, requestOf(), contextOf())).created).toBe(true);
    await expect(logIn(server, ODD_USER, 'first')).rejects.toMatchObject({ code: '28P01' });
    await asUser();
    expect(await failureOf(makeBackupUser(admin, requestOf({ mark: 'another' }), contextOf()))).toMatchObject({ code: 'conflict' });
    await asUser();
    expect(await removeBackupUser(admin, ODD_USER, 'another', contextOf().signal)).toBe(false);
    await server.query(`CREATE TABLE its (v int); ALTER TABLE its OWNER TO ${quoteIdentifier(ODD_USER)}`);
    expect(await failureOf(makeBackupUser(admin, requestOf(), contextOf()))).toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('owns'),
    });
    await server.query('DROP TABLE its');
    expect(await failureOf(makeBackupUser(admin, requestOf({ name: 'postgres', keepPassword: true }), contextOf()))).toMatchObject({
      code: 'conflict',
    });
  });

  it('leaves the password of the user that is in use, and gives what it lacks', async () => {
    await server.query(`CREATE ROLE plain LOGIN PASSWORD 'its own'; COMMENT ON ROLE plain IS '${MARK.replace("'", "''")}'`);
    const made = await makeBackupUser(admin, requestOf({ name: 'plain', password: 'its own', keepPassword: true }), contextOf());
    expect(made.created).toBe(false);
    const client = await logIn(server, 'plain', 'its own');
    opened.push(client);
    expect((await client.query('SELECT v FROM sales.orders')).rows).toEqual([{ v: 'x' }]);
    // Another password than the one in use proves nothing, and the role stays.
    expect(
      await failureOf(makeBackupUser(admin, requestOf({ name: 'plain', password: 'wrong', keepPassword: true }), contextOf())),
    ).toMatchObject({
      code: 'source_authentication_failed',
    });
    expect(await roles()).toEqual(['plain']);
  });

  if (major >= 14)
    it('is also what the documentation makes by hand', async () => {
      const page = await readFile(new URL('../../../../../docs/POSTGRESQL_ACCESS.md', import.meta.url), 'utf8');
      const blocks = [...page.matchAll(/```sql\n([^]*?)```/g)].map(([, sql]) => sql!);
      expect(blocks).toHaveLength(2);
      for (const sql of blocks) await server.query(sql);
      await server.query(`ALTER ROLE rahat_backup PASSWORD 'pw'; GRANT CONNECT ON DATABASE closed TO rahat_backup`);
      const report = await preflightReport({ ...admin, user: 'rahat_backup', password: 'pw' }, {}, contextOf());
      expect(report.findings.filter(({ severity, code }) => severity === 'blocker' && code !== 'tool_missing')).toEqual([]);
    });

  describe('when it fails', () => {
    /** Whoever grants waits for this one: in a database on 13, for a membership elsewhere. */
    const heldGrants = async () => {
      const holder = await server.connect('shop');
      const hold = major === 13 ? 'GRANT SELECT ON sales.orders TO maker' : 'LOCK TABLE pg_auth_members IN SHARE MODE';
      await holder.query(`BEGIN; ${hold}`);
      return holder;
    };
    const rowsOf = async () =>
      server.query(`SELECT FROM pg_shdepend WHERE refclassid = 'pg_authid'::regclass AND refobjid NOT IN (SELECT oid FROM pg_roles)`);

    /** Then the role is made, and nothing of it committed that anybody could use. */
    const untilHeldUp = async () => {
      const waiting = `SELECT FROM pg_stat_activity WHERE application_name = 'rahat-backup-user' AND wait_event_type = 'Lock'`;
      while ((await server.query(waiting)).length === 0) await sleep(50);
    };

    it.each([
      ['a wrong password of the administrator', () => ({ ...admin, password: 'planted-wrong' }), {}, 'source_authentication_failed'],
      ['an administrator who may not create roles', () => ({ ...admin, user: 'nobody', password: 'pw' }), {}, 'source_permission_denied'],
      [
        'an administrator who may not give REPLICATION',
        () => ({ ...admin, user: 'maker', password: 'pw' }),
        { uses: ['physical'] },
        'source_permission_denied',
      ],
      ['another server at this address', () => admin, { identity: '1' }, 'conflict'],
      ['a password that SCRAM would have to normalize', () => admin, { password: 'şifre' }, 'invalid_input'],
    ] as [string, () => PostgresqlConnection, Partial<BackupUserRequest>, string][])(
      'by %s there is no role',
      async (_, by, change, code) => {
        await server.query(`DO $$ BEGIN CREATE ROLE nobody LOGIN PASSWORD 'pw'; EXCEPTION WHEN duplicate_object THEN END $$`);
        const failure = await failureOf(makeBackupUser(by(), requestOf(change), contextOf()));
        expect(failure.code).toBe(code);
        expect(JSON.stringify([failure.message, failure.hint])).not.toContain('planted');
        expect(await roles()).toEqual([]);
        expect(await rowsOf()).toEqual([]);
      },
    );

    it('by an administrator who is no superuser, what he made he takes away', async () => {
      const maker = { ...admin, user: 'maker', password: 'pw' };
      const work = makeBackupUser(maker, requestOf({ byObject: true }), contextOf());
      expect(await failureOf(work)).toMatchObject({ code: 'source_permission_denied' });
      expect(await roles()).toEqual([]);
      if (major !== 15) return;
      // There he may give the membership, and what he gave is gone with the role.
      const made = await makeBackupUser(maker, requestOf(), contextOf());
      expect(made).toMatchObject({ created: true, report: { databases: ['postgres', 'shop'] } });
      expect(made.notGranted).toEqual([expect.stringContaining('BYPASSRLS')]);
      expect(made.report.findings).toContainEqual(expect.objectContaining({ code: 'connect_right_missing', database: 'closed' }));
      expect(await removeBackupUser(maker, ODD_USER, MARK, contextOf().signal)).toBe(true);
    });

    it('by the server, which does not let the new user in, there is no role', async () => {
      const closedToIt = { ...admin, maintenanceDatabase: 'closed' };
      await server.query('REVOKE CONNECT ON DATABASE closed FROM PUBLIC');
      await server.query(`ALTER DATABASE closed CONNECTION LIMIT 0`);
      try {
        expect((await failureOf(makeBackupUser(closedToIt, requestOf(), contextOf()))).code).toBe('source_unreachable');
        expect(await roles()).toEqual([]);
      } finally {
        await server.query('ALTER DATABASE closed CONNECTION LIMIT -1');
      }
    });

    it('by a stop in the middle there is no role', async () => {
      const stop = new AbortController();
      const holder = await heldGrants();
      const work = failureOf(makeBackupUser(admin, requestOf(), contextOf(stop.signal)));
      await untilHeldUp();
      stop.abort(new Error('stopped'));
      await holder.query('ROLLBACK');
      await holder.end();
      await work;
      expect(await roles()).toEqual([]);
    });

    it('by a kill in the middle at most a role is left that cannot log in, which the next attempt replaces', async () => {
      const holder = await heldGrants();
      const module = new URL('../../dist/backup-user/make-backup-user.js', import.meta.url).href;
      const script = `
        import { makeBackupUser } from ${JSON.stringify(module)};
        const { admin, request } = JSON.parse(process.argv[1]);
        await makeBackupUser(admin, request, { toolFolders: [], scratchFolder: '/nowhere', signal: new AbortController().signal });`;
      const child = spawn(process.execPath, ['--input-type=module', '-e', script, JSON.stringify({ admin, request: requestOf() })], {
        stdio: 'ignore',
      });
      await untilHeldUp();
      child.kill('SIGKILL');
      await once(child, 'close');
      await holder.query('ROLLBACK');
      await holder.end();
      // Its sessions end when they see that nobody is there.
      while ((await server.query(`SELECT FROM pg_stat_activity WHERE application_name = 'rahat-backup-user'`)).length > 0) await sleep(50);
      const left = await server.query('SELECT rolcanlogin AS login FROM pg_roles WHERE rolname = $1', [ODD_USER]);
      expect(left).toEqual(major === 13 ? [{ login: false }] : []);
      expect((await makeBackupUser(admin, requestOf(), contextOf())).created).toBe(true);
      await asUser();
    });

    it('by the death of its connections in the middle there is no role, and the next attempt makes it', async () => {
      const holder = await heldGrants();
      const work = failureOf(makeBackupUser(admin, requestOf(), contextOf()));
      await untilHeldUp();
      const killed = await server.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'rahat-backup-user'`,
      );
      expect(killed.length).toBeGreaterThan(0);
      await holder.query('ROLLBACK');
      await holder.end();
      expect((await work).code).toBe('source_lost');
      expect(await roles()).toEqual([]);
      expect((await makeBackupUser(admin, requestOf(), contextOf())).created).toBe(true);
      await asUser();
    });
  });
});
