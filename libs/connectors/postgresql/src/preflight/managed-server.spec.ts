import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ManagedProvider } from '@rahat/contracts';
import { type PostgresqlServer, startPostgresql } from '@rahat/test-servers';
import { makeBackupUser } from '../backup-user/make-backup-user.js';
import { connectionTo, failureOf } from '../physical/test-parts.js';
import { followFindings } from '../wal/index.js';
import { preflight } from './backup-preflight.js';
import { detectManagedServer, type ServerMarks } from './managed-server.js';
import { probe } from './probe.js';
import { preflightReport } from './report.js';

const OWN: ServerMarks = { superuser: false, firstRole: 'postgres', settings: [], functions: [] };

describe('a managed server', () => {
  it.each<[what: string, marks: Partial<ServerMarks>, provider: ManagedProvider | undefined]>([
    ['a server of our own', {}, undefined],
    ['RDS by its settings', { settings: ['rds.extensions', 'rds.superuser_variables'] }, 'rds'],
    ['RDS by who made it', { firstRole: 'rdsadmin' }, 'rds'],
    ['Aurora by its function', { functions: ['aurora_version'], settings: ['rds.extensions'], firstRole: 'rdsadmin' }, 'aurora'],
    ['Aurora by a setting', { settings: ['apg_critical_insights.enable', 'rds.extensions'] }, 'aurora'],
    ['Cloud SQL', { settings: ['cloudsql.iam_authentication'], firstRole: 'cloudsqladmin' }, 'cloud-sql'],
    ['AlloyDB', { settings: ['alloydb.iam_authentication', 'cloudsql.supported_extensions'], firstRole: 'alloydbadmin' }, 'alloydb'],
    ['Azure', { settings: ['azure.extensions'], firstRole: 'azuresu' }, 'azure'],
    ['Supabase', { firstRole: 'supabase_admin' }, 'supabase'],
    ['Neon', { settings: ['neon.timeline_id'], firstRole: 'cloud_admin' }, 'neon'],
    ['a setting that only sounds like it', { settings: ['rdsx.extensions', 'myazure.extensions'] }, undefined],
    ['marks where we are a superuser', { superuser: true, settings: ['rds.extensions'], firstRole: 'rdsadmin' }, undefined],
  ])('is told by its marks: %s', (_, marks, provider) => {
    expect(detectManagedServer({ ...OWN, ...marks })?.name).toBe(provider);
  });
});

describe('a server with the marks of a provider', () => {
  let server: PostgresqlServer;
  const context = { toolFolders: [], scratchFolder: '/nowhere', signal: new AbortController().signal };
  const as = (user: string) => connectionTo(server, { user, password: 'pw' });

  beforeAll(async () => {
    // 16 and newer let no CREATEROLE give what it hasn't got; 15 is as strict about BYPASSRLS and large objects.
    server = await startPostgresql({ major: 15, settings: { 'rds.extensions': 'pgcrypto', wal_level: 'logical' } });
    await server.query(
      `CREATE ROLE rdsadmin; CREATE ROLE rds_superuser; CREATE ROLE master LOGIN CREATEROLE CREATEDB PASSWORD 'pw' IN ROLE rds_superuser;
       CREATE ROLE app IN ROLE rds_superuser; GRANT app TO master; CREATE ROLE weak LOGIN PASSWORD 'pw'`,
    );
    await server.query('CREATE DATABASE shop OWNER app');
    await server.query('CREATE DATABASE rdsadmin OWNER rdsadmin');
    await server.query('REVOKE CONNECT ON DATABASE rdsadmin FROM PUBLIC');
    await server.query(
      `CREATE SCHEMA sales AUTHORIZATION app; SET ROLE app; CREATE TABLE sales.tenant AS SELECT 'x' AS v;
       ALTER TABLE sales.tenant ENABLE ROW LEVEL SECURITY; SELECT lo_from_bytea(1, 'secret')`,
      undefined,
      'shop',
    );
  });
  afterAll(async () => server?.[Symbol.asyncDispose]());

  it('is told so by report, test and preflights alike: logical backups, nothing physical', async () => {
    const report = await preflightReport(as('weak'), {}, context);
    expect(report.provider).toEqual({ name: 'rds', title: 'Amazon RDS', marks: ['setting rds.extensions'] });
    const codes = report.findings.filter(({ section }) => section === 'provider').map(({ code, severity }) => `${severity} ${code}`);
    expect(codes).toEqual(['info managed_server', 'blocker managed_no_physical']);
    expect(report.findings.map(({ code }) => code)).not.toContain('replication_right_missing');
    expect(report.databases).toEqual(['postgres', 'shop']);
    expect(report.findings.map(({ database }) => database)).not.toContain('rdsadmin');
    expect(report.script).not.toContain('ALTER SYSTEM');
    expect(report.script).not.toContain('BYPASSRLS');
    const [, physical] = (await probe(as('weak'), context)).methods;
    expect(physical).toMatchObject({ usable: false, findings: [{ code: 'managed_no_physical' }] });
    expect(await followFindings(as('weak'), context.signal)).toMatchObject([{ code: 'managed_no_physical' }]);
    const backup = await preflight(as('weak'), { method: 'postgresql.physical', label: 'p' }, context);
    expect(backup).toMatchObject([{ code: 'managed_no_physical' }]);
    expect(JSON.stringify(await preflightReport(connectionTo(server), {}, context))).not.toContain('managed');
  });

  it('is cured by what its administrator may run', async () => {
    const before = await preflightReport(as('weak'), { uses: ['logical'], databases: ['shop'] }, context);
    const cures = before.findings.flatMap(({ cure }) => (cure ? [cure.sql] : []));
    expect(cures).toHaveLength(3);
    const master = await server.connect('shop');
    await master.query('SET SESSION AUTHORIZATION master');
    for (const sql of cures) await master.query(sql);
    await master.end();
    const after = await preflightReport(as('weak'), { uses: ['logical'], databases: ['shop'] }, context);
    expect(after.findings.filter(({ cure }) => cure !== undefined)).toEqual([]);
    expect(after.uses).toEqual([{ use: 'logical', usable: after.findings.every(({ severity }) => severity !== 'blocker') }]);
  });

  it('gets a backup user from its administrator, who says what he could not give', async () => {
    const order = { name: 'rahat_backup', password: 'a-password', mark: 'm', keepPassword: false, byObject: false, identity: null };
    const refused = await failureOf(makeBackupUser(as('master'), { ...order, uses: ['physical'] }, context));
    expect(refused).toMatchObject({ code: 'source_unsupported', message: expect.stringContaining('Amazon RDS') });
    const made = await makeBackupUser(as('master'), { ...order, uses: ['logical'] }, context);
    expect(made.notGranted).toEqual(['ALTER ROLE "rahat_backup" BYPASSRLS']);
    const left = made.report.findings.filter(({ severity, code }) => severity === 'blocker' && code !== 'tool_missing');
    expect(left).toMatchObject([{ code: 'row_security', database: 'shop', fix: expect.stringContaining('GRANT "app" TO "rahat_backup"') }]);
    // Nor is anything left of one whose making fails, where the administrator is no superuser.
    const failed = await failureOf(makeBackupUser(as('master'), { ...order, name: 'other', password: 'ş', uses: ['logical'] }, context));
    expect(failed.code).toBe('invalid_input');
    expect(await server.query(`SELECT FROM pg_roles WHERE rolname = 'other'`)).toEqual([]);
  });
});
