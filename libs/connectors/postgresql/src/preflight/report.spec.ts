import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { PreflightReport, PreflightRequest } from '@rahat/contracts';
import { hasPostgresql, type PostgresqlServer, startPostgresql } from '@rahat/test-servers';
import { quoteIdentifier } from '../errors.js';
import { connectionTo } from '../physical/test-parts.js';
import { runScript } from '../testing/run-script.js';
import { preflightReport } from './report.js';

const context = { toolFolders: [], scratchFolder: '/nowhere', signal: new AbortController().signal };
/** What PostgreSQL and psql read as something else, if one lets them. */
const ODD_USER = `We"ird $$ \\ Üser'; --`;
const ODD_DATABASE = `Sh'op "2"\n\\! x`;

function reportFor(server: PostgresqlServer, user: string, request: PreflightRequest = {}): Promise<PreflightReport> {
  return preflightReport(connectionTo(server, { user, password: 'pw' }), request, context);
}

/** Whether this machine has the client tools is no property of the server. */
const codesOf = ({ findings }: PreflightReport, ...severities: string[]) =>
  findings
    .filter(({ code, severity }) => code !== 'tool_missing' && severities.includes(severity))
    .map(({ code, database }) => (database === undefined ? code : `${code} of ${database}`));

describe.each([13, 15, 18] as const)('the report on PostgreSQL %i', (major) => {
  if (!hasPostgresql(major)) return it.skip('needs that server', () => undefined);
  let server: PostgresqlServer;
  beforeAll(async () => {
    server = await startPostgresql({
      major,
      settings: {
        wal_level: 'minimal',
        max_wal_senders: '0',
        max_replication_slots: '0',
        max_locks_per_transaction: '10',
        max_connections: '20',
      },
    });
    for (const user of [ODD_USER, 'nobody']) await server.query(`CREATE ROLE ${quoteIdentifier(user)} LOGIN PASSWORD 'pw'`);
    await server.query('CREATE ROLE "Own""er"');
    for (const database of ['shop', ODD_DATABASE]) {
      await server.query(`CREATE DATABASE ${quoteIdentifier(database)} OWNER "Own""er"`);
      await server.query(
        `CREATE SCHEMA "S p" AUTHORIZATION "Own""er"; SET ROLE "Own""er";
         CREATE TABLE "S p"."T""1" (id serial, v text);
         CREATE TABLE "S p".tenant (v text); ALTER TABLE "S p".tenant ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON "S p".tenant USING (false);
         SELECT lo_from_bytea(0, 'secret')`,
        undefined,
        database,
      );
    }
    await server.query(
      `CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w; CREATE FOREIGN TABLE far (v int) SERVER s; CREATE UNLOGGED TABLE cache (v int)`,
      undefined,
      'shop',
    );
    await server.query(`REVOKE CONNECT ON DATABASE ${quoteIdentifier(ODD_DATABASE)} FROM PUBLIC`);
    // More than the server has room to lock at once, and so not made at once.
    for (let first = 0; first < 400; first += 40)
      await server.query(
        `DO $$ BEGIN FOR i IN ${first}..${first + 39} LOOP EXECUTE format('CREATE TABLE many_%s ()', i); END LOOP; END $$`,
      );
  }, 60_000);
  afterAll(async () => server?.[Symbol.asyncDispose]());

  it('names every lack of a user without rights', async () => {
    const report = await reportFor(server, ODD_USER);
    expect(report).toMatchObject({ reachable: true, role: 'primary', provider: null, user: ODD_USER, databases: ['postgres', 'shop'] });
    expect(codesOf(report, 'blocker', 'warning', 'gap').sort()).toEqual(
      [
        ...(major === 13 ? ['version_out_of_support'] : []),
        `connect_right_missing of ${ODD_DATABASE}`,
        'foreign_tables of shop',
        'fsync_off',
        'full_page_writes_off',
        'large_objects_unreadable of shop',
        'locks_may_not_suffice of postgres',
        'replication_right_missing',
        'replication_slots_none',
        'row_security of shop',
        'select_right_missing of postgres',
        'select_right_missing of shop',
        'slot_keeps_without_limit',
        'wal_level_minimal',
        'wal_senders_none',
      ].sort(),
    );
    expect(report.uses).toEqual([
      { use: 'logical', usable: false },
      { use: 'physical', usable: false },
      { use: 'log', usable: false },
    ]);
    expect(codesOf(report, 'info')).toEqual(
      expect.arrayContaining([
        'role_passwords_not_dumped',
        ...(major === 18 ? [] : ['data_checksums_off']),
        'unlogged_tables of shop',
        'large_objects of shop',
      ]),
    );
  });

  it('tells of what was asked alone', async () => {
    const report = await reportFor(server, 'nobody', { uses: ['logical'], databases: ['shop'] });
    expect(report.databases).toEqual(['shop']);
    expect(codesOf(report, 'blocker')).toEqual(
      expect.arrayContaining(['select_right_missing of shop', 'row_security of shop', 'large_objects_unreadable of shop']),
    );
    expect(report.script).not.toContain('REPLICATION');
    await expect(reportFor(server, 'nobody', { databases: ['absent'] })).rejects.toMatchObject({ code: 'database_not_found' });
  });

  it('has nothing to cure any more when its own script was run, twice, and the server started again', async () => {
    const before = await reportFor(server, ODD_USER);
    await runScript(server, before.script);
    await runScript(server, before.script);
    await server.restart();
    // Being let into the second database shows what is missing there.
    const between = await reportFor(server, ODD_USER);
    expect(codesOf(between, 'blocker').filter((code) => !code.endsWith(ODD_DATABASE))).toEqual([]);
    await runScript(server, between.script);
    const after = await reportFor(server, ODD_USER);
    expect(after.databases).toHaveLength(3);
    expect(codesOf(after, 'blocker', 'warning', 'gap').filter((code) => code !== 'version_out_of_support')).toEqual([
      'foreign_tables of shop',
    ]);
    expect(after.script).toBe('');
    expect(after.uses.filter(({ use }) => use !== 'logical').every(({ usable }) => usable)).toBe(true);
    // Also what is made later can be read.
    await server.query(
      'SET ROLE "Own""er"; CREATE TABLE "S p".later (v int); CREATE SCHEMA later; CREATE TABLE later.later (v int)',
      undefined,
      'shop',
    );
    if (major === 18) await server.query(`SET ROLE "Own""er"; SELECT lo_from_bytea(0, 'later')`, undefined, 'shop');
    expect(codesOf(await reportFor(server, ODD_USER, { uses: ['logical'] }), 'blocker')).toEqual([]);
  }, 60_000);

  it('finds nothing in the way of a superuser', async () => {
    const report = await preflightReport(connectionTo(server), {}, context);
    expect(codesOf(report, 'blocker')).toEqual([]);
    expect(report.facts).toContainEqual({ section: 'rights', name: 'user', value: 'postgres, superuser' });
  });

  it('says that pg_hba.conf lets nobody in for replication, and that a database is closed', async () => {
    const file = join(server.dataFolder, 'pg_hba.conf');
    const before = await readFile(file, 'utf8');
    await writeFile(file, `host replication all all reject\nhost shop nobody all reject\n${before}`);
    await server.query('SELECT pg_reload_conf()');
    const report = await reportFor(server, 'nobody', { uses: ['logical'] });
    expect(codesOf(report, 'blocker')).toContain('database_closed of shop');
    const replicating = await preflightReport(connectionTo(server), { uses: ['physical'] }, context);
    expect(replicating.findings.find(({ code }) => code === 'replication_entry_missing')?.fix).toContain('host replication "postgres"');
    await writeFile(file, before);
    await server.query('SELECT pg_reload_conf()');
  });
});
