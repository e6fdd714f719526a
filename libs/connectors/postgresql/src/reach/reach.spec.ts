import { chownSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { BackupRequest, ConnectorContext } from '@rahat/connector-kit';
import type { PostgresqlConnection } from '@rahat/contracts';
import { hasPgClients, hasSshd, startPostgresql, startSsh, type PostgresqlServer, type SshServer } from '@rahat/test-servers';
import { postgresqlConnector } from '../connector.js';
import { ArtifactsInMemory, failureOf, quietJob } from '../physical/test-parts.js';
import { TestAuthority, type Certificate } from './certificates.js';
import { throughTunnel } from './ssh-tunnel.js';

const ROWS = 60_000;
const LOGICAL = { method: 'postgresql.logical', database: 'shop', label: 'reach' } as const;
const PHYSICAL = { method: 'postgresql.physical', label: 'reach' } as const;
const authority = new TestAuthority();
const elsewhere = new TestAuthority();
let server: PostgresqlServer;
let scratchFolder: string;
let courier: Certificate;

const context = (): ConnectorContext => ({ toolFolders: [], scratchFolder, signal: quietJob.signal });

/** The server's certificate is made for `localhost`; `courier` may log in by certificate alone, and only over TLS. */
beforeAll(async () => {
  scratchFolder = mkdtempSync(join(tmpdir(), 'rahat-reach-'));
  server = await startPostgresql({ major: 15, settings: { full_page_writes: 'on' } });
  const { certificate, key } = authority.issue('localhost');
  courier = authority.issue('courier');
  serverFile('server.crt', certificate);
  serverFile('server.key', key);
  serverFile('root.crt', authority.certificate);
  const access = readFileSync(join(server.dataFolder, 'pg_hba.conf'), 'utf8');
  const byCertificate = ['all', 'replication'].map((what) => `hostssl ${what} courier all cert\nhostnossl ${what} courier all reject\n`);
  serverFile('pg_hba.conf', byCertificate.join('') + access);
  await server.query('CREATE ROLE courier LOGIN REPLICATION');
  await server.query('GRANT pg_read_all_data TO courier');
  await server.query('CREATE DATABASE shop');
  await server.query(`CREATE TABLE orders AS SELECT i AS id, md5(i::text) AS note FROM generate_series(1, ${ROWS}) AS i`, [], 'shop');
  for (const setting of ['ssl = on', "ssl_ca_file = 'root.crt'"]) await server.query(`ALTER SYSTEM SET ${setting}`);
  await server.restart();
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  authority[Symbol.dispose]();
  elsewhere[Symbol.dispose]();
  rmSync(scratchFolder, { recursive: true, force: true });
});

function serverFile(name: string, content: string): void {
  const file = join(server.dataFolder, name);
  writeFileSync(file, content, { mode: 0o600 });
  const { uid, gid } = statSync(server.dataFolder);
  chownSync(file, uid, gid);
}

function connection(changed: Partial<PostgresqlConnection> = {}): PostgresqlConnection {
  const { port, user, password } = server;
  return {
    host: 'localhost',
    port,
    user,
    password,
    maintenanceDatabase: 'postgres',
    tls: 'verify-full',
    tlsCa: authority.certificate,
    ...changed,
  };
}

const byCertificate = (changed: Partial<PostgresqlConnection> = {}): PostgresqlConnection =>
  connection({ user: 'courier', password: '', tlsCertificate: courier.certificate, tlsKey: courier.key, ...changed });

async function backUp(source: PostgresqlConnection, request: BackupRequest): Promise<ArtifactsInMemory> {
  await using session = await postgresqlConnector.open(source, context());
  const backup = new ArtifactsInMemory();
  backup.facts = await session.backup(request, backup, quietJob);
  return backup;
}

const probe = async (source: PostgresqlConnection) => {
  await using session = await postgresqlConnector.open(source, context());
  return await session.probe();
};

const rowsIn = (backup: ArtifactsInMemory) => backup.artifacts.find(({ key }) => key === 'rows/public/orders')?.rows;

describe('a client certificate', () => {
  (hasPgClients(15) ? it : it.skip)('lets in where no password would, for queries, tools and replication alike', async () => {
    expect(await probe(byCertificate())).toMatchObject({ tls: true, role: 'primary' });
    expect(rowsIn(await backUp(byCertificate(), LOGICAL))).toBe(ROWS);
    expect((await backUp(byCertificate(), PHYSICAL)).facts.evidence.trailerSeen).toBe(true);
  });

  it('is refused when another authority signed it, and missed when it is not shown', async () => {
    const forged = elsewhere.issue('courier');
    const bare = byCertificate({ tlsCertificate: undefined, tlsKey: undefined });
    const work = [
      () => probe(byCertificate({ tlsCertificate: forged.certificate, tlsKey: forged.key })),
      () => probe(bare),
      () => backUp(bare, PHYSICAL),
    ];
    for (const failing of work) expect((await failureOf(failing())).code).toMatch(/^source_(unreachable|authentication_failed)$/);
  });
});

describe('the server’s certificate', () => {
  it.each([
    ['the name and the authority fit', 'verify-full', 'localhost', authority, true],
    ['the name is another one', 'verify-full', '127.0.0.1', authority, false],
    ['the name is another one and nobody asks', 'verify-ca', '127.0.0.1', authority, true],
    ['the authority is another one', 'verify-ca', 'localhost', elsewhere, false],
    ['an authority is given that is another one', 'require', '127.0.0.1', elsewhere, false],
    ['nobody asks at all', 'require', '127.0.0.1', undefined, true],
  ] as const)('when %s (%s)', async (_, tls, host, trust, trusted) => {
    const source = connection({ tls, host, tlsCa: trust?.certificate });
    // Queries, pg_dump and replication each have a TLS of their own.
    const works = [() => probe(source), () => backUp(source, LOGICAL), () => backUp(source, PHYSICAL)];
    for (const work of works)
      if (trusted) await work();
      else expect(await failureOf(work())).toMatchObject({ code: 'source_unreachable', retryable: false });
  });
});

(hasSshd() ? describe : describe.skip)('through an SSH host', () => {
  let ssh: SshServer;
  beforeAll(async () => {
    ssh = await startSsh();
  });
  afterAll(async () => ssh[Symbol.asyncDispose]());

  const tunnelled = (changed: Partial<PostgresqlConnection> = {}, through: SshServer = ssh): PostgresqlConnection =>
    connection({
      ssh: { host: through.host, port: through.port, user: through.user, hostKey: through.hostKey },
      sshKey: through.privateKey,
      ...changed,
    });

  it('backs up and restores as if it were near, its certificate compared by its own name', async () => {
    const report = await probe(tunnelled());
    expect(report).toMatchObject({ tls: true });
    expect(report.steps.map(({ name }) => name)).toEqual(['ssh', 'tls', 'login', 'version', 'rights', 'tools']);
    expect((await backUp(tunnelled(), PHYSICAL)).facts.evidence.trailerSeen).toBe(true);
    const backup = await backUp(tunnelled(), LOGICAL);
    expect(rowsIn(backup)).toBe(ROWS);
    await using session = await postgresqlConnector.open(tunnelled(), context());
    const restored = await session.restore(
      { target: { kind: 'database', name: 'shop_again', replace: false }, label: 'r' },
      backup,
      quietJob,
    );
    expect(restored.tables.every(({ matches }) => matches)).toBe(true);
    expect(await failureOf(probe(tunnelled({ tlsCa: elsewhere.certificate })))).toMatchObject({ code: 'source_unreachable' });
  });

  it('tells nothing to a host that shows another key, and says which key it shows', async () => {
    const hostKey = `SHA256:${'A'.repeat(43)}`;
    const error = await failureOf(probe(tunnelled({ ssh: { ...tunnelled().ssh!, hostKey } })));
    expect(error).toMatchObject({ code: 'source_unreachable', retryable: false });
    expect(error.hint).toContain(ssh.hostKey);
  });

  it('says who refused: the host our key, the key itself, the host to forward, or nobody listens behind it', async () => {
    expect(await failureOf(probe(tunnelled({ sshKey: ssh.strangersKey })))).toMatchObject({ code: 'source_authentication_failed' });
    expect(await failureOf(probe(tunnelled({ sshKey: 'no key' })))).toMatchObject({ code: 'invalid_input' });
    expect(await failureOf(probe(tunnelled({ sshKey: undefined })))).toMatchObject({ code: 'invalid_input' });
    expect((await failureOf(probe(tunnelled({ port: 1 })))).message).toContain(`${ssh.host} could not reach localhost:1`);
    await using closed = await startSsh({ forwards: false });
    expect((await failureOf(probe(tunnelled({}, closed)))).message).toContain('could not reach');
  });

  it('keeps nothing of a backup whose tunnel breaks, and leaves no open port behind', async () => {
    const breaking = await startSsh();
    const backup = new ArtifactsInMemory();
    let pieces = 0;
    backup.onPiece = async () => {
      if (++pieces === 20) await breaking.stop();
    };
    await using session = await postgresqlConnector.open(tunnelled({}, breaking), context());
    expect(await failureOf(session.backup(PHYSICAL, backup, quietJob))).toMatchObject({ code: 'source_lost' });
    await breaking[Symbol.asyncDispose]();

    const { routed, close } = await throughTunnel(tunnelled(), quietJob.signal);
    const near = routed.route!;
    expect(await answers(near)).toBe(true);
    await close();
    expect(await answers(near)).toBe(false);
  });

  it('ends at once with the run, also while the host is silent', async () => {
    const abort = new AbortController();
    const reason = new Error('the run was cancelled');
    const { close } = await throughTunnel(tunnelled(), abort.signal);
    const opening = expect(throughTunnel(tunnelled(), abort.signal)).rejects.toBe(reason);
    abort.abort(reason);
    await opening;
    await close();
  });
});

function answers({ host, port }: { host: string; port: number }): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host);
    socket.once('error', () => resolve(false));
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}
