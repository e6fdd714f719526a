import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ConnectorSession } from '@rahat/connector-kit';
import { startPostgresql, type PostgresqlServer } from '@rahat/test-servers';
import { postgresqlConnector } from '../connector.js';
import { ArtifactsInMemory, connectionTo, quietJob } from '../physical/test-parts.js';

let server: PostgresqlServer;
let scratchFolder: string;
const request = { method: 'postgresql.logical', database: 'shop', label: 'preflight' } as const;

beforeAll(async () => {
  scratchFolder = mkdtempSync(join(tmpdir(), 'rahat-preflight-'));
  server = await startPostgresql({ major: 15, settings: { wal_level: 'logical' } });
  await server.query('CREATE DATABASE shop');
  await server.query(
    `
    CREATE TABLE plain (v text); INSERT INTO plain VALUES ('x'); CREATE UNLOGGED TABLE cache (v text);
    CREATE TABLE tenant (owner text); ALTER TABLE tenant ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON tenant USING (owner = current_user); INSERT INTO tenant VALUES ('somebody');
    SELECT lo_from_bytea(1, 'secret');
    CREATE SUBSCRIPTION upstream CONNECTION 'host=nowhere.invalid' PUBLICATION p WITH (connect = false);
    CREATE EXTENSION pgcrypto;`,
    undefined,
    'shop',
  );
  await server.query("CREATE ROLE weak LOGIN PASSWORD 'weak'; CREATE ROLE rhb LOGIN PASSWORD 'rhb'");
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(scratchFolder, { recursive: true, force: true });
});

function openAs(user: string): Promise<ConnectorSession> {
  return postgresqlConnector.open(connectionTo(server, { user, password: user === server.user ? server.password : user }), {
    toolFolders: [],
    scratchFolder,
    signal: new AbortController().signal,
  });
}

describe('the preflight', () => {
  it('names each gap of a weak user, and its own SQL cures what can be cured', async () => {
    await using weak = await openAs('weak');
    const before = await weak.preflight(request);
    expect(
      before
        .filter((finding) => finding.severity === 'blocker')
        .map((finding) => finding.code)
        .sort(),
    ).toEqual(['large_objects_unreadable', 'row_security', 'select_right_missing']);
    expect(before.find((finding) => finding.code === 'subscriptions_not_dumped')).toMatchObject({ severity: 'gap', object: 'upstream' });
    for (const finding of before.filter((one) => one.severity === 'blocker')) await server.query(finding.fix ?? '', undefined, 'shop');

    await using cured = await openAs('weak');
    expect((await cured.preflight(request)).filter((finding) => finding.severity === 'blocker')).toEqual([]);
    const backup = new ArtifactsInMemory();
    backup.facts = await cured.backup({ ...request, deep: true }, backup, quietJob);
    expect(backup.facts.evidence.rows).toBe(2);
    expect(backup.facts.findings.map((finding) => finding.code).sort()).toEqual(['role_passwords_not_dumped', 'subscriptions_not_dumped']);
    expect(backup.bytes.get('globals.sql')?.toString()).not.toContain('SCRAM-SHA-256');
  });

  it('tells a superuser what there is to know about the content', async () => {
    await using session = await openAs(server.user);
    const findings = await session.preflight(request);
    expect(findings.map((finding) => `${finding.severity} ${finding.code}`).sort()).toEqual([
      'info extensions',
      'info large_objects',
      'info unlogged_tables',
    ]);
  });

  it('checks replication for a physical backup', async () => {
    await using weak = await openAs('rhb');
    expect((await weak.preflight({ method: 'postgresql.physical', label: 'p' })).map((finding) => finding.code)).toEqual([
      'replication_right_missing',
    ]);
  });
});

describe('the probe', () => {
  it('goes up the ladder and tells what can be done', async () => {
    await using session = await openAs(server.user);
    const probe = await session.probe();
    expect(probe.steps.map((step) => step.name)).toEqual(['dns', 'tcp', 'tls', 'login', 'version', 'rights', 'tools']);
    expect(probe).toMatchObject({ major: '15', role: 'primary', tls: false, identity: expect.stringMatching(/^\d{15,}$/) });
    expect(probe.methods.map((method) => method.usable)).toEqual([true, true]);
    expect((await session.discover()).map((database) => database.name)).toEqual(['postgres', 'shop']);
  });
});
