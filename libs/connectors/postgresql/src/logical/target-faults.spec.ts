import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Job } from '@rahat/connector-kit';
import { findPgClients, hasPgClients, startPostgresql, type PostgresqlServer } from '@rahat/test-servers';
import { postgresqlConnector } from '../connector.js';
import { ArtifactsInMemory, connectionTo, failureOf, quietJob } from '../physical/test-parts.js';
import { swapIn } from './staging.js';

let server: PostgresqlServer;
let scratchFolder: string;

beforeAll(async () => {
  scratchFolder = mkdtempSync(join(tmpdir(), 'rahat-target-faults-'));
  server = await startPostgresql({ major: 15, settings: { max_prepared_transactions: '5' } });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(scratchFolder, { recursive: true, force: true });
});

const sessionOn = (on: PostgresqlServer = server, login: Partial<PostgresqlServer> = {}, toolFolders: string[] = []) =>
  postgresqlConnector.open(connectionTo({ ...connectionTo(on), ...login }), { toolFolders, scratchFolder, signal: quietJob.signal });
const into = (name: string, replace = false) => ({ target: { kind: 'database' as const, name, replace }, label: 'fault' });

async function backUp(database: string, on: PostgresqlServer = server, toolFolders: string[] = []): Promise<ArtifactsInMemory> {
  await using session = await sessionOn(on, {}, toolFolders);
  const backup = new ArtifactsInMemory();
  backup.facts = await session.backup({ method: 'postgresql.logical', database, label: 'rahat-target' }, backup, quietJob);
  return backup;
}

async function make(database: string, sql: string): Promise<void> {
  await server.query(`CREATE DATABASE ${database}`);
  await server.query(sql, [], database);
}

const databases = async (): Promise<string[]> =>
  (await server.query<{ name: string }>('SELECT datname AS name FROM pg_database ORDER BY 1')).map(({ name }) => name);

describe('a restore onto a target that fails', () => {
  beforeAll(async () => {
    await make('live', 'CREATE TABLE t AS SELECT n AS id, md5(n::text) AS note FROM generate_series(1, 30000) n');
  });

  it('leaves the database in use as it was, whatever phase its server is killed in, and the next restore cleans up', async () => {
    const backup = await backUp('live');
    const left = new Set(['restore', 'check', 'analyze']);
    while (left.size > 0) {
      let gone: Promise<void> | undefined;
      const job: Job = {
        ...quietJob,
        progress: ({ phase }) => {
          if (!gone && left.delete(phase)) gone = server.kill9();
        },
      };
      await using session = await sessionOn();
      const error = await failureOf(session.restore(into('live', true), backup, job));
      expect(error).toMatchObject({ code: expect.stringMatching(/^source_(lost|unreachable)$/), retryable: true });
      await gone;
      await server.restart();
      expect(await server.query('SELECT count(*)::int AS n FROM t', [], 'live')).toEqual([{ n: 30_000 }]);
    }
    await using session = await sessionOn();
    const restored = await session.restore(into('live', true), backup, quietJob);
    expect((await databases()).filter((name) => name.startsWith('live'))).toEqual(['live', restored.setAside[0]]);
  });

  it('sets a database aside also when another one was in the same second', async () => {
    const at = new Date('2026-01-01T00:00:00Z');
    for (const name of ['twice', 'twice__old_20260101000000', 'staged']) await server.query(`CREATE DATABASE ${name}`);
    const [client, ender] = [await server.connect('postgres'), await server.connect('postgres')];
    expect(await swapIn(client, ender, { staging: 'staged', name: 'twice', replace: true }, at)).toBe('twice__old_20260101000001');
    await Promise.all([client.end(), ender.end()]);
    expect((await databases()).filter((name) => /^twice|^staged/.test(name))).toEqual([
      'twice',
      'twice__old_20260101000000',
      'twice__old_20260101000001',
    ]);
  });

  it('never leaves the database in use closed, when the server is killed in the middle of the swap', async () => {
    const backup = await backUp('live');
    // What can't be ended from outside keeps the swap waiting.
    await server.query("BEGIN; CREATE TABLE held (); PREPARE TRANSACTION 'held'", [], 'live');
    await using session = await sessionOn();
    const failed = failureOf(session.restore(into('live', true), backup, quietJob));
    const renaming =
      "SELECT FROM pg_stat_activity WHERE query LIKE 'ALTER DATABASE%RENAME%' AND state = 'active' AND pid <> pg_backend_pid()";
    for (const deadline = Date.now() + 30_000; Date.now() < deadline && (await server.query(renaming)).length === 0;) await delay(20);
    await server.kill9();
    const failure = await failed;
    expect(`${failure.retryable ? 'to be tried again' : 'for good'}: ${failure.code}: ${failure.message}`).toMatch(/^to be tried again/);
    await server.restart();
    expect(await server.query('SELECT count(*)::int AS n FROM t', [], 'live')).toEqual([{ n: 30_000 }]);

    // Not killed, it says what is in the way.
    const refused = await failureOf(session.restore(into('live', true), backup, quietJob));
    expect(refused).toMatchObject({ code: 'restore_failed', message: expect.stringContaining('prepared transaction'), retryable: true });
    expect(await server.query('SELECT count(*)::int AS n FROM t', [], 'live')).toEqual([{ n: 30_000 }]);
    await server.query("ROLLBACK PREPARED 'held'", [], 'live');
  }, 90_000);

  it('says that its disk is full, and leaves nothing on it', async () => {
    const disk = join(server.dataFolder, '..', 'small disk');
    mkdirSync(disk);
    const mounted = spawnSync('/usr/bin/mount', ['-t', 'tmpfs', '-o', 'size=14m,mode=0777', 'tmpfs', disk]).status === 0;
    if (!mounted && process.env['CI'] !== 'true') return;
    expect(mounted).toBe(true);
    try {
      const folder = join(disk, 'space');
      mkdirSync(folder);
      spawnSync('chown', ['--reference', server.dataFolder, folder]);
      const backup = await backUp('live');
      await server.query(`CREATE TABLESPACE small LOCATION '${folder}'`);
      await server.query('ALTER DATABASE template0 SET TABLESPACE small');
      await make('filler', '').catch(() => undefined);
      await using session = await sessionOn();
      await server.query('CREATE TABLE keep AS SELECT 1 AS v', [], 'live');
      const error = await failureOf(session.restore(into('live', true), await fattened(backup), quietJob));
      expect(error).toMatchObject({ code: 'restore_failed', hint: expect.stringContaining('disk of the target') });
      expect((await databases()).filter((name) => name.includes('__rhb_'))).toEqual([]);
      expect(await server.query('SELECT v FROM keep', [], 'live')).toEqual([{ v: 1 }]);
    } finally {
      await server.query('ALTER DATABASE template0 SET TABLESPACE pg_default');
      await server.query('DROP TABLESPACE IF EXISTS small');
      spawnSync('/usr/bin/umount', [disk]);
    }
  });
});

/** The same table with more rows than the small disk has room for. */
async function fattened(backup: ArtifactsInMemory): Promise<ArtifactsInMemory> {
  const rows = backup.bytes.get('rows/public/t')?.toString() ?? '';
  const lines = rows.slice(0, rows.indexOf('\\.'));
  backup.bytes.set('rows/public/t', Buffer.from(`${lines.repeat(10)}\\.\n\n\n`));
  return backup;
}

describe('a restore of what the target can not have', () => {
  it('brings all the rest, and names the materialized views that can not be filled there', async () => {
    await make(
      'views',
      `CREATE TABLE t (v int); INSERT INTO t VALUES (1), (2); CREATE FUNCTION unsure() RETURNS int LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN (SELECT count(*) FROM t); END $$;
       CREATE MATERIALIZED VIEW good AS SELECT sum(v) AS s FROM t; CREATE MATERIALIZED VIEW hard AS SELECT unsure() AS n; CREATE MATERIALIZED VIEW onit AS SELECT n FROM hard;
       CREATE EXTENSION postgres_fdw; CREATE SERVER away FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port '1'); CREATE USER MAPPING FOR PUBLIC SERVER away;
       CREATE FOREIGN TABLE far (v int) SERVER away; CREATE VIEW near AS SELECT * FROM far; CREATE MATERIALIZED VIEW copied AS SELECT * FROM near WITH NO DATA;
       UPDATE pg_class SET relispopulated = true WHERE relname = 'copied'`,
    );
    const backup = await backUp('views');
    await using session = await sessionOn();
    const restored = await session.restore(into('views_again'), backup, quietJob);
    const views = (findings: typeof restored.findings) =>
      findings.filter(({ code }) => code === 'materialized_view_not_refreshed').map(({ severity, object }) => `${severity} ${object}`);
    expect(views(restored.findings)).toEqual(['warning public.copied', 'warning public.hard', 'warning public.onit']);
    expect(restored.tables).toMatchObject([{ table: 't', actualRows: 2, matches: true }]);
    expect(await server.query('SELECT s::int FROM good', [], 'views_again')).toEqual([{ s: 3 }]);
    const proof = await postgresqlConnector.testRestore(backup, { toolFolders: [], scratchFolder, signal: quietJob.signal }, quietJob);
    expect(views(proof.findings)).toEqual(['info public.copied', 'warning public.hard', 'warning public.onit']);
  });

  it('proves rows whose locale the worker lacks, and says so', async () => {
    await make('local', "CREATE TABLE t (v text PRIMARY KEY); INSERT INTO t VALUES ('ı'), ('İ')");
    const backup = await backUp('local');
    const facts = backup.bytes.get('database.json')?.toString() ?? '';
    backup.bytes.set('database.json', Buffer.from(facts.replaceAll('C.UTF-8', 'xx_XX.UTF-8')));
    await using session = await sessionOn();
    expect(await failureOf(session.restore(into('local_again'), backup, quietJob))).toMatchObject({
      code: 'restore_failed',
      hint: expect.stringContaining('xx_XX.UTF-8'),
    });
    const proof = await postgresqlConnector.testRestore(backup, { toolFolders: [], scratchFolder, signal: quietJob.signal }, quietJob);
    expect(proof.tables).toMatchObject([{ table: 't', matches: true }]);
    expect(proof.findings).toContainEqual(
      expect.objectContaining({ code: 'test_locale_differs', severity: 'info', object: 'xx_XX.UTF-8' }),
    );
  });

  it('leaves out what belongs to a hosting provider, names it, and asks for no role of theirs', async () => {
    await server.query("CREATE ROLE rdsadmin; CREATE ROLE cloud_admin; CREATE ROLE tenant LOGIN CREATEDB PASSWORD 'tenant'");
    await make(
      'hosted',
      `CREATE TABLE t (v int); INSERT INTO t VALUES (1); CREATE EXTENSION hstore; COMMENT ON EXTENSION hstore IS 'pairs'; 
       ALTER SCHEMA public OWNER TO postgres; COMMENT ON SCHEMA public IS 'of the house';
       ALTER DEFAULT PRIVILEGES FOR ROLE rdsadmin GRANT SELECT ON TABLES TO PUBLIC; ALTER DEFAULT PRIVILEGES FOR ROLE cloud_admin IN SCHEMA public GRANT ALL ON SEQUENCES TO tenant`,
    );
    const backup = await backUp('hosted');
    await using session = await sessionOn(server, { user: 'tenant', password: 'tenant' });
    const request = { ...into('hosted_again'), noOwner: true };
    const plan = await session.planRestore(request, backup, quietJob);
    const restored = await session.restore(request, backup, quietJob);
    const left = (findings: typeof restored.findings) =>
      findings.filter(({ code }) => code === 'left_out_for_target').map(({ object }) => object);
    expect(left(restored.findings)).toEqual(left(plan.findings));
    expect(left(restored.findings).join('; ')).toMatch(/EXTENSION "?hstore"?/);
    expect(left(restored.findings).join('; ')).toMatch(/of (cloud_admin|rdsadmin).*of (cloud_admin|rdsadmin)/s);
    expect(left(restored.findings).join('; ')).toContain('public');
    expect(restored.tables).toMatchObject([{ table: 't', matches: true }]);

    // Onto a server of one's own that knows no such roles.
    await server.query('DROP OWNED BY rdsadmin, cloud_admin', [], 'hosted');
    await server.query('DROP ROLE rdsadmin; DROP ROLE cloud_admin');
    await using own = await sessionOn();
    expect((await own.restore(into('hosted_home'), backup, quietJob)).tables).toMatchObject([{ table: 't', matches: true }]);
    expect(await server.query("SELECT FROM pg_roles WHERE rolname IN ('rdsadmin', 'cloud_admin')")).toEqual([]);
  });
});

(hasPgClients(18) ? describe : describe.skip)('extensions', () => {
  /** A folder of extensions made of SQL alone; PostgreSQL 18 can be told of it. */
  function extensionFolder(name: string, extensions: Record<string, string[]>): string {
    const folder = join(scratchFolder, name, 'extension');
    mkdirSync(folder, { recursive: true });
    for (const [extension, versions] of Object.entries(extensions)) {
      writeFileSync(join(folder, `${extension}.control`), `default_version = '${versions.at(-1)}'\nrelocatable = false\nschema = public\n`);
      for (const version of versions) {
        const calls = ['pre', 'post'].map(
          (side) =>
            `CREATE FUNCTION timescaledb_${side}_restore() RETURNS boolean LANGUAGE plpgsql AS 'BEGIN CREATE TABLE IF NOT EXISTS public.told (what text, tables bigint); INSERT INTO public.told SELECT ''${side}'', count(*) FROM pg_tables WHERE tablename = ''t''; RETURN true; END';`,
        );
        writeFileSync(
          join(folder, `${extension}--${version}.sql`),
          extension === 'timescaledb'
            ? calls.join('\n')
            : `CREATE FUNCTION version_of_${extension}() RETURNS text LANGUAGE sql AS 'SELECT ''${version}''::text';`,
        );
      }
    }
    spawnSync('chmod', ['-R', 'a+rX', scratchFolder]);
    return join(scratchFolder, name);
  }

  const start = (folder: string) => startPostgresql({ major: 18, settings: { extension_control_path: `$system:${folder}` } });

  it('are made in the version that their rule asks for, or stop the restore before anything happens', async () => {
    const tools = [findPgClients(18)!.folder];
    await using source = await start(extensionFolder('source', { timescaledb: ['2.14.2'], postgis: ['3.4.1'] }));
    await source.query('CREATE DATABASE geo');
    await source.query(
      'CREATE EXTENSION timescaledb; CREATE EXTENSION postgis; CREATE TABLE t (v int); INSERT INTO t VALUES (1)',
      [],
      'geo',
    );
    const backup = await backUp('geo', source, tools);

    await using other = await start(extensionFolder('other', { timescaledb: ['2.14.1', '2.15.0'], postgis: ['3.3.9'] }));
    await using refusing = await sessionOn(other, {}, tools);
    const blockers = (await refusing.planRestore(into('geo'), backup, quietJob)).findings.filter(({ severity }) => severity === 'blocker');
    expect(blockers.map(({ code, object }) => `${code} ${object}`)).toEqual(['extension_version postgis', 'extension_version timescaledb']);
    const error = await failureOf(refusing.restore(into('geo'), backup, quietJob));
    expect(error.message).toMatch(/3\.4\.1 or newer.*exactly version 2\.14\.2/s);
    expect((await refusing.discover()).map(({ name }) => name)).toEqual(['postgres']);

    await using bare = await startPostgresql({ major: 18 });
    await using lacking = await sessionOn(bare, {}, tools);
    expect(await failureOf(lacking.restore(into('geo'), backup, quietJob))).toMatchObject({
      code: 'restore_failed',
      message: expect.stringMatching(/postgis is not installed.*3\.4\.1 or newer.*timescaledb is not installed.*exactly version 2\.14\.2/s),
      hint: expect.stringContaining('timescaledb 2.14.2'),
    });

    await using fitting = await start(extensionFolder('fitting', { timescaledb: ['2.14.2', '2.15.0'], postgis: ['3.3.9', '3.5.0'] }));
    await using session = await sessionOn(fitting, {}, tools);
    const restored = await session.restore(into('geo'), backup, quietJob);
    expect(restored.findings.map(({ code, object }) => `${code} ${object}`)).toEqual(['extension_version postgis']);
    expect(await fitting.query("SELECT extname, extversion FROM pg_extension WHERE extname <> 'plpgsql' ORDER BY 1", [], 'geo')).toEqual([
      { extname: 'postgis', extversion: '3.5.0' },
      { extname: 'timescaledb', extversion: '2.14.2' },
    ]);
    // Called before there were tables, and after all of them.
    expect(await fitting.query('SELECT what, tables::int FROM told', [], 'geo')).toEqual([
      { what: 'pre', tables: 0 },
      { what: 'post', tables: 1 },
    ]);
  }, 60_000);
});
