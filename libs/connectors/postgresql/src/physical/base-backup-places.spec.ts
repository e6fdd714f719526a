import { execFile } from 'node:child_process';
import { chown, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startPostgresql, type PostgresqlServer } from '@rahat/test-servers';
import pg from 'pg';
import { makeThrowawayFolder, startThrowawayServer } from '../throwaway/index.js';
import { giveTreeTo } from '../throwaway/server-account.js';
import { findServerBinaries } from '../throwaway/server-binaries.js';
import { ServerProcess } from '../throwaway/server-process.js';
import { restoreBaseBackupToFolder } from './restore-to-folder.js';
import { backUp, connectionTo, failureOf, quietJob } from './test-parts.js';
import { testRestoreBaseBackup } from './test-restore.js';

/** Made for `localhost`, valid for a century, protecting nothing. */
const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBlTCCATugAwIBAgIUZzZfPsRrPzGClprLLDsbog8h6FowCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyNDAzNTcxNloYDzIxMjYxMDMx
MDM1NzE2WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAQ87F6cGBsFfvOnstX1oolEkEL7wwdLtb9tw8xQ0OfKNJuFhNTCsSf0
0pdS1fplpDVY5woyg1RVoQHdKKJuuK8yo2kwZzAdBgNVHQ4EFgQUwQ4DI0HCbU0n
BbybQUB9iBtwpt8wHwYDVR0jBBgwFoAUwQ4DI0HCbU0nBbybQUB9iBtwpt8wDwYD
VR0TAQH/BAUwAwEB/zAUBgNVHREEDTALgglsb2NhbGhvc3QwCgYIKoZIzj0EAwID
SAAwRQIhAJjuUxap92qxShKcF/vGtLG5RCinKpILWJhNcZ6AIEh1AiBjpUFYFlBk
veIMjsh20nH6QIyBjt4A7NdSHIpWosPozg==
-----END CERTIFICATE-----
`;
const PRIVATE_KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgIDbJVsXb7prHs9NQ
DrgAEHzu9DVJ6caPHUVjzKCd8c2hRANCAAQ87F6cGBsFfvOnstX1oolEkEL7wwdL
tb9tw8xQ0OfKNJuFhNTCsSf00pdS1fplpDVY5woyg1RVoQHdKKJuuK8y
-----END PRIVATE KEY-----
`;
const DEBIAN_BIN = '/usr/lib/postgresql/15/bin';
const { signal } = quietJob;
let scratchFolder: string;
let server: PostgresqlServer;

beforeAll(async () => {
  scratchFolder = await mkdtemp(join(tmpdir(), 'rhb-physical-spec-'));
  server = await startPostgresql({ major: 15, settings: { full_page_writes: 'on' } });
  await server.query('CREATE TABLE orders AS SELECT i, md5(i::text) AS note FROM generate_series(1, 1000) AS i');
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await rm(scratchFolder, { recursive: true, force: true });
});

async function serverFile(name: string, content: string): Promise<void> {
  const path = join(server.dataFolder, name);
  const { uid, gid } = await stat(server.dataFolder);
  await writeFile(path, content, { mode: 0o600 });
  await chown(path, uid, gid);
}

describe('over TLS', () => {
  it('is refused where the server offers none and it is required', async () => {
    expect(await failureOf(backUp(connectionTo(server, { tls: 'require' })))).toMatchObject({
      code: 'source_unreachable',
      retryable: false,
    });
  });

  it('takes a backup, and trusts the certificate only for the name and by the authority that are given', async () => {
    await serverFile('server.crt', CERTIFICATE);
    await serverFile('server.key', PRIVATE_KEY);
    await server.query('ALTER SYSTEM SET ssl = on');
    await server.query('SELECT pg_reload_conf()');
    const verified = { tls: 'verify-full', tlsCa: CERTIFICATE, host: 'localhost' } as const;
    expect((await backUp(connectionTo(server, verified))).facts.evidence.trailerSeen).toBe(true);
    expect((await backUp(connectionTo(server, { tls: 'require' }))).facts.evidence.trailerSeen).toBe(true);
    expect(await failureOf(backUp(connectionTo(server, { ...verified, host: '127.0.0.1' })))).toMatchObject({
      code: 'source_unreachable',
      retryable: false,
    });
    expect(await failureOf(backUp(connectionTo(server, { ...verified, tlsCa: undefined })))).toMatchObject({
      code: 'source_unreachable',
      retryable: false,
    });
  });
});

describe('a restored folder', () => {
  it('satisfies PostgreSQL’s own pg_verifybackup, log included, and starts by itself', async () => {
    const target = join(scratchFolder, 'restored');
    await restoreBaseBackupToFolder(await backUp(connectionTo(server)), target, quietJob);
    const { stdout } = await promisify(execFile)(join(DEBIAN_BIN, 'pg_verifybackup'), [target]);
    expect(stdout).toContain('backup successfully verified');

    const folder = await makeThrowawayFolder(scratchFolder);
    await giveTreeTo(folder.account, target);
    const programs = {
      binaries: await findServerBinaries(15, [DEBIAN_BIN], folder.path),
      account: folder.account,
      logFile: join(folder.path, 'server.log'),
      signal,
    };
    const started = await ServerProcess.start(programs, target, ['-p', '5432', '-c', 'listen_addresses=', '-k', folder.socketFolder], {
      silenceMs: 30_000,
    });
    try {
      const client = new pg.Client({
        host: folder.socketFolder,
        port: 5432,
        user: server.user,
        password: server.password,
        database: 'postgres',
      });
      await client.connect();
      const { rows } = await client.query(`SELECT count(*)::int AS rows, current_setting('archive_mode') AS archive_mode FROM orders`);
      expect(rows).toEqual([{ rows: 1000, archive_mode: 'off' }]);
      await client.end();
    } finally {
      await started.stop();
      await folder.remove();
    }
  });

  it('holds no sign by which it would wake up as a standby, when it was taken from one', async () => {
    const folder = await makeThrowawayFolder(scratchFolder);
    const dataFolder = join(folder.path, 'data');
    await restoreBaseBackupToFolder(await backUp(connectionTo(server)), dataFolder, quietJob);
    await writeFile(join(dataFolder, 'standby.signal'), '');
    const conninfo = `host=${server.host} port=${server.port} user=${server.user} password=${server.password}`;
    const settings = {
      hot_standby: 'on',
      wal_level: 'replica',
      max_wal_senders: '10',
      max_connections: '200',
      max_worker_processes: '8',
      primary_conninfo: conninfo,
      full_page_writes: 'on',
    };
    const access = join(folder.path, 'hba');
    await writeFile(access, 'local all all trust\nlocal replication all trust\n', { mode: 0o644 });
    await using standby = await startThrowawayServer({
      folder,
      dataFolder,
      scratchFolder,
      toolFolders: [DEBIAN_BIN],
      signal,
      settings: { ...settings, hba_file: access },
    });
    await server.query('INSERT INTO orders SELECT i FROM generate_series(1001, 1500) AS i');

    const backup = await backUp(standby.connection);
    expect(backup.artifacts.map(({ key }) => key)).toContain('base/standby.signal');
    const proof = await testRestoreBaseBackup(backup, { scratchFolder, toolFolders: [DEBIAN_BIN], signal }, quietJob);
    expect(proof.tablesRead?.find(({ table }) => table === 'orders')?.rows).toBeGreaterThanOrEqual(1000);
  });

  it('is proven whatever its superuser is called', async () => {
    await server.query(`CREATE ROLE other SUPERUSER LOGIN PASSWORD 'secret'`);
    const client = new pg.Client({ host: server.host, port: server.port, user: 'other', password: 'secret', database: 'postgres' });
    await client.connect();
    try {
      await client.query('ALTER ROLE postgres RENAME TO "the boss"');
      const backup = await backUp(connectionTo(server, { user: 'other', password: 'secret' }));
      const proof = await testRestoreBaseBackup(backup, { scratchFolder, toolFolders: [DEBIAN_BIN], signal }, quietJob);
      expect(proof.findings.map(({ code }) => code)).toEqual(['structure_checked', 'read_back']);
    } finally {
      await client.query('ALTER ROLE "the boss" RENAME TO postgres');
      await client.end();
    }
  });

  it('asks for the server programs of its own major', async () => {
    const backup = await backUp(connectionTo(server));
    const facts = backup.bytes.get('facts')?.toString('utf8') ?? '';
    backup.bytes.set('facts', Buffer.from(facts.replace('"major":15', '"major":99')));
    expect(await failureOf(testRestoreBaseBackup(backup, { scratchFolder, toolFolders: [], signal }, quietJob))).toMatchObject({
      code: 'tool_missing',
    });
  });
});
