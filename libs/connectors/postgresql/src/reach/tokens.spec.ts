import { chownSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { runTool, type ConnectorContext } from '@rahat/connector-kit';
import type { PostgresqlConnection } from '@rahat/contracts';
import {
  findPgClients,
  hasSshd,
  startPostgresql,
  startSsh,
  startTokenGate,
  type PostgresqlServer,
  type TokenGate,
} from '@rahat/test-servers';
import pg from 'pg';
import { databaseConninfo, toolConnection } from '../connect.js';
import { postgresqlConnector } from '../connector.js';
import { ArtifactsInMemory, connectionTo, failureOf, quietJob } from '../physical/test-parts.js';
import { preflightReport } from '../preflight/report.js';
import { TestAuthority } from './certificates.js';

const ROWS = 60_000;
const LOGICAL = { method: 'postgresql.logical', database: 'shop', label: 'tokens' } as const;
const KEY = { accessKeyId: 'AKIAPLANTED', secretAccessKey: 'planted/secret+of/the+key' };
const RULES = { host: 'localhost', region: 'eu-west-1', ...KEY, lifetimeSeconds: 900 };
const NOTHING_TO_FIND = { AWS_EC2_METADATA_DISABLED: 'true', AWS_CONFIG_FILE: '/nowhere', AWS_SHARED_CREDENTIALS_FILE: '/nowhere' };

const authority = new TestAuthority();
let server: PostgresqlServer;
let gate: TokenGate;
let scratchFolder: string;

const context = (): ConnectorContext => ({ toolFolders: [], scratchFolder, signal: quietJob.signal });

/** `keeper` and `reader` are let in by tokens alone, which are judged at each log-in; over TLS alone, too. */
beforeAll(async () => {
  scratchFolder = mkdtempSync(join(tmpdir(), 'rahat-tokens-'));
  server = await startPostgresql({ major: 15, settings: { 'rds.extensions': 'pgcrypto' } });
  gate = await startTokenGate({ ...RULES, port: server.port });
  const { certificate, key } = authority.issue('localhost');
  serverFile('server.crt', certificate);
  serverFile('server.key', key);
  const access = readFileSync(join(server.dataFolder, 'pg_hba.conf'), 'utf8');
  serverFile('pg_hba.conf', gate.hbaLines('keeper') + gate.hbaLines('reader') + access);
  await server.query(
    `CREATE ROLE rds_iam; CREATE ROLE keeper LOGIN SUPERUSER; CREATE ROLE reader LOGIN; CREATE ROLE typist LOGIN PASSWORD 'pw'`,
  );
  await server.query('CREATE DATABASE shop');
  await server.query(`CREATE TABLE orders AS SELECT i AS id, md5(i::text) AS note FROM generate_series(1, ${ROWS}) AS i`, [], 'shop');
  await server.query('ALTER SYSTEM SET ssl = on');
  await server.restart();
});
afterAll(async () => {
  await gate?.[Symbol.asyncDispose]();
  await server?.[Symbol.asyncDispose]();
  authority[Symbol.dispose]();
  rmSync(scratchFolder, { recursive: true, force: true });
});

const ownEnvironment = { ...process.env };
beforeEach(() => {
  gate.rules = { ...RULES, port: server.port };
  gate.shown.length = 0;
  Object.assign(process.env, NOTHING_TO_FIND);
});
afterEach(() => {
  for (const name of Object.keys(process.env)) if (name.startsWith('AWS_') && !(name in ownEnvironment)) delete process.env[name];
});

function serverFile(name: string, content: string): void {
  const file = join(server.dataFolder, name);
  writeFileSync(file, content, { mode: 0o600 });
  const { uid, gid } = statSync(server.dataFolder);
  chownSync(file, uid, gid);
}

function byToken(changed: Partial<PostgresqlConnection> = {}): PostgresqlConnection {
  return {
    host: 'localhost',
    port: server.port,
    user: 'keeper',
    password: '',
    maintenanceDatabase: 'postgres',
    tls: 'verify-full',
    tlsCa: authority.certificate,
    authentication: { kind: 'aws-iam', region: 'eu-west-1', credentials: { source: 'access-key', accessKeyId: KEY.accessKeyId } },
    awsSecretAccessKey: KEY.secretAccessKey,
    ...changed,
  };
}

const byFound = (changed: Partial<PostgresqlConnection> = {}): PostgresqlConnection =>
  byToken({
    authentication: { kind: 'aws-iam', region: 'eu-west-1', credentials: { source: 'environment' } },
    awsSecretAccessKey: undefined,
    ...changed,
  });

async function probe(source: PostgresqlConnection) {
  await using session = await postgresqlConnector.open(source, context());
  return await session.probe();
}

async function backUp(source: PostgresqlConnection, backup = new ArtifactsInMemory()): Promise<ArtifactsInMemory> {
  await using session = await postgresqlConnector.open(source, context());
  backup.facts = await session.backup(LOGICAL, backup, quietJob);
  return backup;
}

const faults = () => gate.shown.map(({ fault }) => fault ?? 'let in');

describe('a user who is let in by tokens', () => {
  it('gets through a backup and a restore that outlast every token, by a new one for each connection', async () => {
    gate.rules.lifetimeSeconds = 4;
    const backup = new ArtifactsInMemory();
    let waited = false;
    backup.onPiece = async () => {
      if (!waited) await sleep(5_100);
      waited = true;
    };
    await backUp(byToken(), backup);
    const [first] = gate.shown;
    const stale = new pg.Client({
      ...{ host: 'localhost', port: server.port, user: 'keeper', password: first!.token, database: 'postgres' },
      ssl: { ca: authority.certificate },
    });
    await expect(stale.connect()).rejects.toThrow('authentication failed');
    expect(faults().at(-1)).toBe('expired');

    const slow = Object.create(backup) as ArtifactsInMemory;
    slow.read = async function* (artifact) {
      for await (const piece of backup.read(artifact)) {
        yield piece;
        // pg_restore logs in when it has read the table of contents and a little more.
        if (artifact.kind === 'rows') await sleep(2_600);
      }
    };
    await using session = await postgresqlConnector.open(byToken(), context());
    const restored = await session.restore({ target: { kind: 'database', name: 'again', replace: false }, label: 'r' }, slow, quietJob);
    expect(restored.tables).toMatchObject([{ matches: true }]);
    expect(await server.query('SELECT count(*)::int AS n FROM orders', [], 'again')).toEqual([{ n: ROWS }]);
    expect(faults().filter((fault) => fault !== 'let in')).toEqual(['expired']);
    // Before and after either wait.
    const seconds = new Set(gate.shown.map(({ token }) => /X-Amz-Date=(\w+)/.exec(token)?.[1]));
    expect(seconds.size).toBeGreaterThanOrEqual(3);
  });

  it('is refused with what to look at: by the server, and by it in the middle of the work', async () => {
    const wrong = await failureOf(probe(byToken({ awsSecretAccessKey: 'another' })));
    expect(faults()).toEqual(['a wrong signature']);
    expect(wrong).toMatchObject({
      code: 'source_authentication_failed',
      retryable: false,
      message: expect.stringContaining('the token of'),
    });
    expect(wrong.hint).toContain('GRANT rds_iam TO "keeper";');
    for (const secret of [KEY.secretAccessKey, 'another', gate.shown[0]!.token]) expect(wrong.message + wrong.hint).not.toContain(secret);
    const elsewhere = byToken({ authentication: { ...byToken().authentication!, region: 'eu-central-1' } });
    expect(await failureOf(probe(elsewhere))).toMatchObject({ code: 'source_authentication_failed' });
    expect(faults().at(-1)).toBe('signed for eu-central-1');

    gate.shown.length = 0;
    Object.defineProperty(gate.rules, 'lifetimeSeconds', { get: () => (gate.shown.length === 0 ? 900 : -1) });
    const midway = await failureOf(backUp(byToken()));
    expect(faults()).toEqual(['let in', 'expired']);
    expect(midway).toMatchObject({ code: 'source_authentication_failed', message: expect.stringContaining('pg_dump') });
    expect(midway.hint).toContain('rds-db:connect');
  });

  it('shows no token without TLS, nor where nobody says the region', async () => {
    for (const tls of ['disable', 'prefer'] as const)
      expect(await failureOf(probe(byToken({ tls })))).toMatchObject({ code: 'invalid_input', message: expect.stringContaining('TLS') });
    const nowhere = byToken({ authentication: { ...byToken().authentication!, region: undefined } });
    expect(await failureOf(probe(nowhere))).toMatchObject({ code: 'invalid_input', message: expect.stringContaining('localhost') });
    expect(gate.shown).toEqual([]);
  });

  it('is signed for by what the worker finds, and told when it finds nothing', async () => {
    const missing = await failureOf(probe(byFound()));
    expect(missing).toMatchObject({ code: 'source_authentication_failed', message: expect.stringContaining('No token of Amazon') });
    expect(missing.hint).toContain('role');
    // As of a role: such tokens are much longer than any password.
    const sessionToken = 'FwoGZXIvYXdzE'.repeat(110);
    gate.rules.sessionToken = sessionToken;
    Object.assign(process.env, {
      AWS_ACCESS_KEY_ID: KEY.accessKeyId,
      AWS_SECRET_ACCESS_KEY: KEY.secretAccessKey,
      AWS_SESSION_TOKEN: sessionToken,
    });
    expect(await probe(byFound())).toMatchObject({ tls: true });
    // The tests' own of 16 is built without TLS.
    for (const clients of [13, 14, 15, 17, 18].map(findPgClients).filter((found) => found !== undefined)) {
      const before = gate.shown.length;
      await using run = await runTool({
        program: clients.pgDump,
        args: ['--no-password', '--schema-only', `--dbname=${databaseConninfo('shop')}`],
        ...(await toolConnection(byFound(), 'long', quietJob.signal)),
        scratchFolder,
        signal: quietJob.signal,
      });
      for await (const piece of run.stdout) void piece;
      expect([clients.major, (await run.exit).stderr]).toEqual([clients.major, '']);
      expect(gate.shown.slice(before)).toMatchObject([{ fault: undefined, token: expect.stringContaining('X-Amz-Security-Token') }]);
      expect(gate.shown.at(-1)!.token.length).toBeGreaterThan(1_700);
    }
  });

  (hasSshd() ? it : it.skip)('is known by the server’s own name, also through an SSH host', async () => {
    await using ssh = await startSsh();
    const tunnelled = byToken({
      ssh: { host: ssh.host, port: ssh.port, user: ssh.user, hostKey: ssh.hostKey },
      sshKey: ssh.privateKey,
    });
    expect(await probe(tunnelled)).toMatchObject({ tls: true });
    expect(faults()).toEqual(['let in']);
  });

  it('is told by the preflight what Amazon asks of it besides', async () => {
    const membership = async (source: PostgresqlConnection) => {
      const { facts, findings, script } = await preflightReport(source, { uses: ['logical'], databases: ['postgres'] }, context());
      const finding = findings.find(({ code }) => code === 'token_membership_missing');
      return { fact: facts.find(({ name }) => name === 'log-in')?.value, finding, script };
    };
    const before = await membership(byToken({ user: 'reader' }));
    expect(before.fact).toBe('by tokens of Amazon, signed by AKIAPLANTED; no member of rds_iam');
    expect(before.finding).toMatchObject({ severity: 'warning', section: 'rights', fix: 'GRANT rds_iam TO "reader";' });
    expect(before.script).toContain('GRANT rds_iam TO "reader";');
    await server.query('GRANT rds_iam TO reader');
    const after = await membership(byToken({ user: 'reader' }));
    expect([after.fact, after.finding]).toEqual(['by tokens of Amazon, signed by AKIAPLANTED; a member of rds_iam', undefined]);

    // In no script: it would be the end of the password.
    const byPassword = await membership(connectionTo(server, { user: 'typist', password: 'pw' }));
    expect(byPassword.fact).toContain('GRANT rds_iam TO "typist";');
    expect([byPassword.finding, byPassword.script.includes('rds_iam')]).toEqual([undefined, false]);
  });
});
