import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ConnectorContext, ConnectorSession, Job } from '@rahat/connector-kit';
import { startPostgresql, type PostgresqlServer } from '@rahat/test-servers';
import { postgresqlConnector } from '../connector.js';
import { ArtifactsInMemory } from '../physical/test-parts.js';
import { HOSTILE_NAMES, HOSTILE_SQL, RICH_SQL, WIDE_SQL } from './sample-database.js';

let server: PostgresqlServer;
let scratchFolder: string;
let session: ConnectorSession;

const job = (): Job => ({ signal: new AbortController().signal, progress: () => undefined, log: () => undefined });
const context = (): ConnectorContext => ({ toolFolders: [], scratchFolder, signal: new AbortController().signal });

beforeAll(async () => {
  server = await startPostgresql({ major: 15 });
  scratchFolder = mkdtempSync(join(tmpdir(), 'rahat-logical-'));
  session = await postgresqlConnector.open(
    { host: server.host, port: server.port, user: server.user, password: server.password, maintenanceDatabase: 'postgres', tls: 'prefer' },
    context(),
  );
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(scratchFolder, { recursive: true, force: true });
});

async function makeDatabase(name: string, sql: string): Promise<void> {
  await server.query(`CREATE DATABASE "${name.replaceAll('"', '""')}"`);
  await run(name, sql);
}

async function run<Row = Record<string, unknown>>(database: string, sql: string): Promise<Row[]> {
  const client = await server.connect(database);
  try {
    return (await client.query(sql)).rows as Row[];
  } finally {
    await client.end();
  }
}

async function backUp(database: string, deep = false): Promise<ArtifactsInMemory> {
  const backup = new ArtifactsInMemory();
  backup.facts = await session.backup({ method: 'postgresql.logical', database, label: 'rahat-run', deep }, backup, job());
  return backup;
}

/** The schema as PostgreSQL's own client writes it. */
function schemaOf(database: string): string {
  const conninfo = `host=127.0.0.1 port=${server.port} user=${server.user} dbname='${database.replaceAll(/[\\']/g, '\\$&')}'`;
  return execFileSync('/usr/lib/postgresql/15/bin/pg_dump', ['--schema-only', '--dbname', conninfo], {
    encoding: 'utf8',
    env: { PGPASSWORD: server.password },
  }).replaceAll(/^\\(un)?restrict .*$/gm, '');
}

describe('a logical backup', () => {
  it('brings back every kind of object and every row, under a new name', async () => {
    await makeDatabase('rich', `${RICH_SQL}${WIDE_SQL}`);
    await server.query(
      "ALTER DATABASE rich SET search_path TO sales, \"$user\", public; ALTER DATABASE rich SET timezone TO 'Asia/Tokyo'; ALTER DATABASE rich CONNECTION LIMIT 77; COMMENT ON DATABASE rich IS 'the rich one'",
    );
    await server.query('REVOKE CONNECT ON DATABASE rich FROM PUBLIC; GRANT TEMPORARY ON DATABASE rich TO pg_monitor');
    const backup = await backUp('rich', true);
    expect(backup.facts).toMatchObject({
      label: 'full · space-incremental',
      consistency: 'snapshot',
      findings: [],
      evidence: { cleanExit: true, trailerSeen: true },
    });
    expect(backup.facts.evidence.objectsFound).toBe(backup.facts.evidence.objectsExpected);
    expect(backup.artifacts.find((artifact) => artifact.key === 'rows/sales/line')?.rows).toBe(20_000);

    // Another zone and byte form on the target must not look like other rows.
    await server.query("ALTER ROLE postgres SET timezone TO 'America/Lima'; ALTER ROLE postgres SET bytea_output TO escape");
    const restored = await session.restore(
      { target: { kind: 'database', name: 'rich_again', replace: false }, label: 'run_1' },
      backup,
      job(),
    );
    await server.query('ALTER ROLE postgres RESET ALL');
    expect(restored.tables.filter((table) => !table.matches)).toEqual([]);
    expect(restored.tables.length).toBe(backup.facts.evidence.objectsExpected);
    expect(restored.findings).toEqual([]);
    expect(schemaOf('rich_again')).toBe(schemaOf('rich'));
    expect((await run('rich_again', 'SHOW search_path'))[0]).toEqual({ search_path: 'sales, "$user", public' });
    expect(await run('rich_again', 'SELECT last_value::int FROM invoice_number')).toEqual(
      await run('rich', 'SELECT last_value::int FROM invoice_number'),
    );
    const properties = `SELECT datconnlimit, ARRAY(SELECT acl::text FROM unnest(datacl) acl ORDER BY 1) AS acl, shobj_description(oid, 'pg_database') AS comment FROM pg_database WHERE datname = `;
    expect(await run('postgres', `${properties}'rich_again'`)).toEqual(await run('postgres', `${properties}'rich'`));
    expect(await run('rich_again', 'SELECT md5(lo_get(1005)) AS sum')).toEqual(await run('rich', 'SELECT md5(lo_get(1005)) AS sum'));
  });

  it('keeps hostile names apart and never takes them for options', async () => {
    const database = '--file=/tmp/rahat-was-here \'host=x\' "ğ"';
    await makeDatabase(database, HOSTILE_SQL);
    const backup = await backUp(database, true);
    expect(new Set(backup.artifacts.map((artifact) => artifact.key)).size).toBe(HOSTILE_NAMES.length + 3);
    expect(backup.artifacts.every((artifact) => /^[A-Za-z0-9%_/.-]+$/.test(artifact.key))).toBe(true);
    const name = 'é'.repeat(31);
    const restored = await session.restore({ target: { kind: 'database', name, replace: false }, label: 'run_names' }, backup, job());
    expect(restored.tables.filter((table) => table.matches)).toHaveLength(HOSTILE_NAMES.length);
    expect(schemaOf(name)).toBe(schemaOf(database));
    expect(existsSync('/tmp/rahat-was-here')).toBe(false);
  });

  it('keeps the encoding and the names of a database that is not UTF-8', async () => {
    await server.query("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'");
    await run('latin', 'CREATE TABLE "größe" ("straße" text); INSERT INTO "größe" VALUES (\'ä\'), (\'ß\')');
    const backup = await backUp('latin', true);
    expect(backup.bytes.get('rows/public/gr%C3%B6%C3%9Fe')?.toString('latin1')).toBe('ä\nß\n\\.\n\n\n');
    await session.restore({ target: { kind: 'database', name: 'latin_again', replace: false }, label: 'run_latin' }, backup, job());
    expect(schemaOf('latin_again')).toBe(schemaOf('latin'));
  });

  it('of an empty database restores to an empty database', async () => {
    await makeDatabase('void', '');
    const backup = await backUp('void');
    expect(backup.facts.evidence).toMatchObject({ objectsExpected: 0, rows: 0 });
    const restored = await session.restore(
      { target: { kind: 'database', name: 'void_again', replace: false }, label: 'run_void' },
      backup,
      job(),
    );
    expect(restored).toMatchObject({ tables: [], rows: 0 });
  });

  it('gathers many large objects into few artifacts and proves each of them', async () => {
    await makeDatabase(
      'pictures',
      "SELECT lo_from_bytea(0, decode(md5(n::text), 'hex')) FROM generate_series(1, 1500) n; SELECT lo_from_bytea(99999, decode(repeat('ab', 3000000), 'hex'))",
    );
    const backup = await backUp('pictures');
    expect(backup.artifacts.filter((artifact) => artifact.kind === 'blob')).toHaveLength(2);
    const restored = await session.restore(
      { target: { kind: 'database', name: 'pictures_again', replace: false }, label: 'run_lo' },
      backup,
      job(),
    );
    expect(restored.tables).toEqual([
      { schema: 'pg_catalog', table: 'pg_largeobject', expectedRows: 1501, actualRows: 1501, matches: true },
    ]);
    expect((await postgresqlConnector.checkContent(backup, context(), job())).findings).toEqual([]);
    backup.flipByte(backup.artifacts.find((artifact) => artifact.kind === 'blob')?.key ?? '', 900);
    expect((await postgresqlConnector.checkContent(backup, context(), job())).findings[0]).toMatchObject({
      code: 'content_damaged',
      severity: 'blocker',
    });
  });

  it('is checked without a server, and each kind of damage is named', async () => {
    const backup = await backUp('rich');
    const clean = await postgresqlConnector.checkContent(backup, context(), job());
    expect(clean).toMatchObject({ findings: [], rows: backup.facts.evidence.rows });
    backup.flipByte('rows/sales/line', 1000);
    backup.drop('rows/sales/orders');
    backup.drop('lo/1003');
    const damaged = await postgresqlConnector.checkContent(backup, context(), job());
    expect(damaged.findings.map((finding) => finding.object).sort()).toEqual(['large objects', 'rows/sales/line', 'sales.orders']);
  });

  it('is restored into a throwaway server and proven there, roles that are missing included', async () => {
    await server.query('CREATE ROLE "Clerk"; CREATE ROLE reader');
    await run('rich', 'ALTER TABLE hr.person OWNER TO "Clerk"; GRANT SELECT ON hr.manager TO reader');
    const backup = await backUp('rich');
    const facts = await postgresqlConnector.testRestore(backup, context(), job());
    expect(facts.restoredOn).toMatch(/^throwaway PostgreSQL 15\./);
    expect(facts.tables.filter((table) => !table.matches)).toEqual([]);
    expect(facts.rows).toBe(backup.facts.evidence.rows + 6);
    expect(facts.findings.map(({ code }) => code)).toEqual(['structure_checked']);
  });
});
