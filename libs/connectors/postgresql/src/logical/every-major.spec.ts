import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  clientsOrStandIns,
  hasPgClients,
  hasPostgresql,
  startPostgresql,
  type PgClients,
  type PostgresqlServer,
} from '@rahat/test-servers';
import { postgresqlConnector } from '../connector.js';
import { ArtifactsInMemory, connectionTo, quietJob } from '../physical/test-parts.js';
import { ODD_ROLES_SQL, oddDatabaseSql } from '../testing/odd-database.js';

const SERVER_PACKAGES = join(import.meta.dirname, '../../../../../tools/test-servers/node_modules');
const NODE_MODULES = join(import.meta.dirname, '../../../../../node_modules');
const hasClients = [15, 16, 18].every((major) => hasPgClients(major));
let scratchFolder: string;

beforeAll(() => {
  scratchFolder = mkdtempSync(join(tmpdir(), 'rahat-majors-'));
});
afterAll(() => {
  rmSync(scratchFolder, { recursive: true, force: true });
});

/** The schema as PostgreSQL's own client writes it. */
function schemaOf(server: PostgresqlServer, { pgDump }: PgClients, database: string): string {
  const args = ['--schema-only', '--host=127.0.0.1', `--port=${server.port}`, `--username=${server.user}`, `--dbname=${database}`];
  const text = execFileSync(pgDump, args, { encoding: 'utf8', env: { PGPASSWORD: server.password, PATH: process.env['PATH'] } });
  return text.replaceAll(/^\\(un)?restrict .*$/gm, '');
}

/** Rows and a hash of each table, without any code of ours. */
async function contentOf(server: PostgresqlServer, database: string): Promise<Record<string, string>> {
  const client = await server.connect(database);
  try {
    const { rows } = await client.query<{ name: string; columns: string }>(
      `SELECT format('%I.%I', n.nspname, c.relname) AS name, CASE c.relkind WHEN 'S' THEN 'last_value, is_called' ELSE '*' END AS columns FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'm', 'S') AND c.relispopulated AND n.nspname !~ '^pg_|information_schema' ORDER BY 1`,
    );
    const content: Record<string, string> = {};
    for (const { name, columns } of rows) {
      const [row] = (
        await client.query<{ sum: string }>(
          `SELECT count(*) || ' ' || coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) AS sum FROM (SELECT ${columns} FROM ${name}) AS t`,
        )
      ).rows;
      content[name] = row?.sum ?? '';
    }
    const objects = await client.query<{ oid: string; sum: string }>(
      'SELECT oid::text, md5(lo_get(oid)) AS sum FROM pg_largeobject_metadata',
    );
    for (const { oid, sum } of objects.rows) content[`large object ${oid}`] = sum;
    return content;
  } finally {
    await client.end();
  }
}

describe.each([13, 14, 15, 16, 17, 18] as const)('a logical backup of everything that PostgreSQL %i can hold', (major) => {
  (hasPostgresql(major) && hasClients ? it : it.skip)(
    'comes back the same, in a throwaway server too, and what has to be done by hand is said',
    async () => {
      const clients = clientsOrStandIns(major, join(scratchFolder, `clients-${major}`))!;
      const serverFolder = major === 18 ? NODE_MODULES : join(SERVER_PACKAGES, `postgresql-${major}`);
      const context = { toolFolders: [clients.folder, ...(major === 15 ? [] : [serverFolder])], scratchFolder, signal: quietJob.signal };
      await using server = await startPostgresql({ major });
      await server.query(ODD_ROLES_SQL);
      await server.query('CREATE DATABASE odd OWNER "PUBLIC"');
      await server.query(
        `REVOKE CONNECT ON DATABASE odd FROM PUBLIC; GRANT CONNECT ON DATABASE odd TO "PUBLIC"; ALTER ROLE "it's" IN DATABASE odd SET work_mem = '7MB'`,
      );
      await server.query(oddDatabaseSql(major), undefined, 'odd');
      await using session = await postgresqlConnector.open(connectionTo(server), context);
      const backup = new ArtifactsInMemory();
      backup.facts = await session.backup(
        { method: 'postgresql.logical', database: 'odd', label: 'rahat-odd', deep: true },
        backup,
        quietJob,
      );
      expect(backup.facts).toMatchObject({ tool: expect.stringMatching(`^pg_dump ${major}\\.`), consistency: 'snapshot' });
      expect(backup.facts.findings.filter(({ severity }) => severity === 'gap')).toEqual([]);
      expect((await postgresqlConnector.checkContent(backup, context, quietJob)).findings).toEqual([]);

      const target = { kind: 'database' as const, name: 'again', replace: false };
      const restored = await session.restore({ target, label: 'odd' }, backup, quietJob);
      expect(restored.tables.filter((table) => !table.matches)).toEqual([]);
      expect(restored.findings.map(({ code, object }) => `${code} ${object}`)).toEqual([
        'subscription_not_enabled odd sub',
        'foreign_tables_not_analyzed odd.far, odd.tree, odd.tree_far',
      ]);
      expect(schemaOf(server, clients, 'again')).toBe(schemaOf(server, clients, 'odd'));
      expect(await contentOf(server, 'again')).toEqual(await contentOf(server, 'odd'));
      const rights = `SELECT pg_get_userbyid(datdba) AS owner, ARRAY(SELECT acl::text FROM unnest(datacl) acl ORDER BY 1) AS acl,
        ARRAY(SELECT setconfig::text FROM pg_db_role_setting WHERE setdatabase = d.oid) AS settings FROM pg_database d WHERE datname =`;
      expect(await server.query(`${rights} 'again'`)).toEqual(await server.query(`${rights} 'odd'`));

      const proof = await postgresqlConnector.testRestore(backup, context, quietJob);
      expect(proof.tables).toHaveLength(restored.tables.length);
      expect(proof.tables.filter((table) => !table.matches)).toEqual([]);
      expect(proof.findings.map(({ code }) => code)).toEqual([
        'subscription_not_enabled',
        'foreign_tables_not_analyzed',
        'structure_checked',
      ]);
      expect(proof.restoredOn).toMatch(`throwaway PostgreSQL ${major}.`);
    },
    60_000,
  );
});
