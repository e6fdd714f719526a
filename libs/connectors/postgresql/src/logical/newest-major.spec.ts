import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ConnectorContext, ConnectorSession } from '@rahat/connector-kit';
import { findPgClients, hasPgClients, hasPostgresql, startPostgresql, type PgClients, type PostgresqlServer } from '@rahat/test-servers';
import { postgresqlConnector } from '../connector.js';
import { ArtifactsInMemory, connectionTo, failureOf, quietJob } from '../physical/test-parts.js';
import { HOSTILE_NAMES, HOSTILE_SQL, RICH_SQL } from './sample-database.js';

/** Here lies the embedded server, for test restores. */
const NODE_MODULES = join(import.meta.dirname, '../../../../../node_modules');

const NEW_IN_18 = `
  CREATE TABLE sales.price (net numeric NOT NULL, gross numeric GENERATED ALWAYS AS (net * 1.2) VIRTUAL, CONSTRAINT positive CHECK (net > 0) NOT ENFORCED);
  INSERT INTO sales.price VALUES (1.5), (2.25);
  ALTER TABLE sales.price ADD CONSTRAINT known_gross NOT NULL gross NOT VALID;
  SELECT lo_from_bytea(5000, 'of another owner'); CREATE ROLE painter; ALTER LARGE OBJECT 5000 OWNER TO painter; GRANT SELECT ON LARGE OBJECT 1002 TO painter;`;

(hasPostgresql(18) && hasPgClients(18) ? describe : describe.skip)('a logical backup of PostgreSQL 18', () => {
  let server: PostgresqlServer;
  let scratchFolder: string;
  let clients: PgClients;
  let context: ConnectorContext;
  let session: ConnectorSession;

  beforeAll(async () => {
    const found = findPgClients(18);
    if (!found)
      throw new Error('The client tools of PostgreSQL 18 are not on this machine. Run `npm test` once as root: its set-up installs them.');
    clients = found;
    server = await startPostgresql({ major: 18 });
    scratchFolder = mkdtempSync(join(tmpdir(), 'rahat-newest-'));
    context = { toolFolders: [clients.folder, NODE_MODULES], scratchFolder, signal: quietJob.signal };
    session = await postgresqlConnector.open(connectionTo(server), context);
    await server.query('CREATE DATABASE rich');
    await server.query(`${RICH_SQL}${HOSTILE_SQL}${NEW_IN_18}`, undefined, 'rich');
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    rmSync(scratchFolder, { recursive: true, force: true });
  });

  async function backUp(): Promise<ArtifactsInMemory> {
    const backup = new ArtifactsInMemory();
    backup.facts = await session.backup(
      { method: 'postgresql.logical', database: 'rich', label: 'rahat-newest', deep: true },
      backup,
      quietJob,
    );
    return backup;
  }

  function schemaOf(database: string): string {
    return execFileSync(
      clients.pgDump,
      ['--schema-only', '--host=127.0.0.1', `--port=${server.port}`, `--username=${server.user}`, `--dbname=${database}`],
      {
        encoding: 'utf8',
        env: { PGPASSWORD: server.password },
      },
    ).replaceAll(/^\\(un)?restrict .*$/gm, '');
  }

  it('is whole, is checked, proves itself on a throwaway server and comes back the same', async () => {
    expect(
      (await session.preflight({ method: 'postgresql.logical', database: 'rich', label: 'p', deep: false })).filter(
        (finding) => finding.severity === 'blocker',
      ),
    ).toEqual([]);
    const backup = await backUp();
    expect(backup.facts).toMatchObject({
      tool: expect.stringMatching(/^pg_dump 18\./),
      consistency: 'snapshot',
      findings: [],
      evidence: { cleanExit: true, trailerSeen: true },
    });
    expect(backup.facts.evidence.objectsFound).toBe(backup.facts.evidence.objectsExpected);
    expect(backup.artifacts.filter((artifact) => artifact.kind === 'blob')).toHaveLength(7);

    expect(await postgresqlConnector.checkContent(backup, context, quietJob)).toMatchObject({
      findings: [],
      rows: backup.facts.evidence.rows,
    });

    const proof = await postgresqlConnector.testRestore(backup, context, quietJob);
    expect(proof).toMatchObject({
      findings: [{ code: 'structure_checked' }],
      restoredOn: expect.stringMatching(/^throwaway PostgreSQL 18\./),
    });
    expect(proof.tables.length).toBeGreaterThan(HOSTILE_NAMES.length + 10);
    expect(proof.tables.filter((table) => !table.matches)).toEqual([]);

    const restored = await session.restore(
      { target: { kind: 'database', name: 'again', replace: false }, label: 'newest' },
      backup,
      quietJob,
    );
    expect(restored.tables.filter((table) => !table.matches)).toEqual([]);
    expect(restored.findings).toEqual([]);
    expect(schemaOf('again')).toBe(schemaOf('rich'));
    expect(await server.query('SELECT net::float8, gross::float8 FROM sales.price ORDER BY 1', [], 'again')).toEqual([
      { net: 1.5, gross: 1.8 },
      { net: 2.25, gross: 2.7 },
    ]);
  }, 90_000);

  it('takes in a backup of an older server, and gives none to one', async () => {
    await using older = await startPostgresql({ major: 15 });
    await older.query('CREATE DATABASE rich');
    await older.query(RICH_SQL, undefined, 'rich');
    await using olderSession = await postgresqlConnector.open(connectionTo(older), context);
    const old = new ArtifactsInMemory();
    old.facts = await olderSession.backup(
      { method: 'postgresql.logical', database: 'rich', label: 'rahat-older', deep: false },
      old,
      quietJob,
    );
    expect(old.facts.tool).toMatch(/^pg_dump 15\./);
    const upgraded = await session.restore(
      { target: { kind: 'database', name: 'upgraded', replace: false }, label: 'older' },
      old,
      quietJob,
    );
    expect(upgraded.tables.filter((table) => !table.matches)).toEqual([]);

    const refused = await failureOf(
      olderSession.restore({ target: { kind: 'database', name: 'downgraded', replace: false }, label: 'newer' }, await backUp(), quietJob),
    );
    expect(refused).toMatchObject({ code: 'restore_failed', hint: expect.stringContaining('Restore to PostgreSQL 18 or newer') });
  }, 90_000);

  it('is refused with the cure when only older client tools are there', async () => {
    const bare: ConnectorContext = { ...context, toolFolders: [NODE_MODULES] };
    await using unequipped = await postgresqlConnector.open(connectionTo(server), bare);
    const request = { method: 'postgresql.logical', database: 'rich', label: 'rahat-skew', deep: false } as const;
    const error = await failureOf(unequipped.backup(request, new ArtifactsInMemory(), quietJob));
    expect(error).toMatchObject({
      code: 'tool_missing',
      message: expect.stringMatching(/^pg_dump of PostgreSQL 18 .*there is 15\./),
      hint: expect.stringContaining('apt-get install postgresql-client-18'),
    });
    expect(await unequipped.preflight(request)).toContainEqual(expect.objectContaining({ code: 'tool_missing', severity: 'blocker' }));
  });
});
