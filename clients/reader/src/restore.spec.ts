import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chown, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { openBlobStore } from '@rahat/blob-store-registry';
import { type BackupSpec, newId, type PostgresqlConnection } from '@rahat/contracts';
import { executeRun } from '@rahat/execution';
import { createRepository, grantCredential } from '@rahat/repository';
import { findPgClients, freePort, hasPgClients, startPostgresql } from '@rahat/test-servers';
import { ReaderProcess } from './testing/reader-process.js';

const run = promisify(execFile);
const passphrase = 'correct horse battery';
const DIGEST = `SELECT count(*)::int AS rows, md5(string_agg(o::text, '|' ORDER BY id)) AS sum FROM orders o`;

let server: Awaited<ReturnType<typeof startPostgresql>>;
let reader: ReaderProcess;
let folder: string;

beforeAll(async () => {
  reader = await ReaderProcess.bundle();
  server = await startPostgresql({ major: 15 });
  await server.query(`CREATE DATABASE shop`);
  for (const sql of [
    `CREATE TABLE orders (id int PRIMARY KEY, note text); INSERT INTO orders SELECT i, repeat(md5(i::text), 8) FROM generate_series(1, 20000) i`,
    String.raw`CREATE SCHEMA "Käufer"; CREATE TABLE "Käufer"."a.b\ c" (v text); INSERT INTO "Käufer"."a.b\ c" VALUES (E'\\.'), (NULL), (E'tab\tend')`,
    `CREATE TABLE nothing (x int); CREATE VIEW big AS SELECT * FROM orders WHERE id > 100`,
    `SELECT lo_from_bytea(4000000 + i, decode(repeat(md5(i::text), i), 'hex')) FROM generate_series(0, 20) i`,
    `ALTER DATABASE shop SET search_path = 'public', "Käufer"; ALTER DATABASE shop SET application_name = 'o''b\\x'`,
    `COMMENT ON DATABASE shop IS 'it''s :"name"'; CREATE ROLE clerk; GRANT CONNECT ON DATABASE shop TO clerk WITH GRANT OPTION`,
  ])
    await server.query(sql, [], 'shop');
});
afterAll(async () => {
  await server.stop();
  await reader[Symbol.asyncDispose]();
});

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rahat-reader-restore-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function backUp(method: BackupSpec['method'], database?: string): Promise<string> {
  await newWriter(server)({ method, ...(database === undefined ? {} : { database: { name: database } }) });
  return join(folder, 'main');
}

/** Makes backups of a server in one repository; gives the snapshot of each. */
function newWriter(from: Pick<typeof server, 'host' | 'port' | 'user' | 'password'>) {
  const storage = { driver: 'local' as const, path: folder };
  const made = openBlobStore(storage, 'main').then((store) => createRepository(store, { passphrase }));
  return async (change: Pick<BackupSpec, 'method'> & Partial<BackupSpec>): Promise<string> => {
    const repository = await made;
    const credential = grantCredential('write-only', repository.id, repository.exportSecrets());
    const { host, port, user, password } = from;
    const source: PostgresqlConnection = { host, port, user, password, maintenanceDatabase: 'postgres', tls: 'prefer' };
    const spec: BackupSpec = {
      version: 1,
      type: 'backup',
      run: newId('run'),
      attempt: 1,
      organization: 'org_1',
      engine: 'postgresql',
      server: { id: 'server_1', name: 'shop server' },
      deadline: new Date(Date.now() + 3_600_000).toISOString(),
      noProgressSeconds: 900,
      sealedSecrets: '',
      repository: 'repository_1',
      snapshot: randomBytes(16).toString('hex'),
      deep: false,
      ...change,
    };
    const scratchFolder = await mkdtemp(join(folder, 'scratch-'));
    const secrets = { source, repositories: [{ repositoryId: repository.id, storage, prefix: 'main', credential }] };
    const ignore = () => undefined;
    const signal = new AbortController().signal;
    await executeRun(spec, secrets, { signal, onProgress: ignore, onLog: ignore, toolFolders: [], scratchFolder, workerName: 'worker-1' });
    return spec.snapshot;
  };
}

describe('a logical backup of PostgreSQL, restored by rahat-reader', () => {
  it('comes back with stock psql and pg_restore, database settings and large objects included', async () => {
    const repository = await backUp('postgresql.logical', 'shop');
    const to = join(folder, 'restored');
    const answer = await reader.run(['restore', repository, 'latest', '--to', to], { passphrase });
    expect(answer).toMatchObject({ exitCode: 0, stderr: expect.stringContaining('pg_restore') });
    expect((await readdir(to)).sort()).toEqual(['RESTORE.txt', 'create-database.sql', 'database.dump', 'globals.sql', 'manifest.json']);

    const tools = findPgClients(15)!;
    const connection = (database: string) => server.connectionString(database);
    const sql = ['-v', 'ON_ERROR_STOP=1', '-v', 'name=shop "again"', '-f', join(to, 'create-database.sql')];
    const made = await run(tools.psql, ['-X', '-d', connection('postgres'), ...sql]);
    expect(made.stderr).toBe('');
    const loaded = await run(tools.pgRestore, ['-d', connection('shop "again"'), '--exit-on-error', join(to, 'database.dump')]);
    expect(loaded.stderr).toBe('');

    for (const question of [
      DIGEST,
      String.raw`SELECT array_agg(v ORDER BY v) FROM "Käufer"."a.b\ c"`,
      `SELECT count(*)::int AS rows FROM big`,
      `SELECT count(*)::int AS objects, md5(string_agg(md5(lo_get(oid)), '' ORDER BY oid)) AS sum FROM pg_largeobject_metadata`,
      `SELECT pg_get_userbyid(datdba), (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(datacl) a) AS rights, encoding, datcollate, shobj_description(oid, 'pg_database') AS comment,
              (SELECT array_agg(s ORDER BY s) FROM pg_db_role_setting, unnest(setconfig) s WHERE setdatabase = d.oid) AS settings FROM pg_database d WHERE datname = current_database()`,
    ]) {
      const [expected] = await server.query(question, [], 'shop');
      expect((await server.query(question, [], 'shop "again"'))[0]).toEqual(expected);
    }
    expect((await server.query(DIGEST, [], 'shop "again"'))[0]).toMatchObject({ rows: 20_000 });
  });

  it('keeps thousands of large objects that share objects of the backup', async () => {
    await server.query('CREATE DATABASE album');
    await server.query(
      `SELECT lo_from_bytea(0, decode(repeat(md5(i::text), i % 700), 'hex')) FROM generate_series(0, 2500) i`,
      [],
      'album',
    );
    const repository = await backUp('postgresql.logical', 'album');
    const to = join(folder, 'restored');
    expect(await reader.run(['restore', repository, 'latest', '--to', to], { passphrase })).toMatchObject({ exitCode: 0 });
    await server.query('CREATE DATABASE album_again');
    await run(findPgClients(15)!.pgRestore, ['-d', server.connectionString('album_again'), '--exit-on-error', join(to, 'database.dump')]);
    const question = `SELECT count(*)::int AS objects, md5(string_agg(md5(lo_get(oid)), '' ORDER BY oid)) AS sum FROM pg_largeobject_metadata`;
    expect(await server.query(question, [], 'album_again')).toEqual(await server.query(question, [], 'album'));
  });
});

describe('a physical backup of PostgreSQL, restored by rahat-reader', () => {
  it('is a data directory that a stock server verifies and starts from, tablespaces included', async () => {
    const place = await mkdtemp(join(tmpdir(), 'rahat-reader-tablespace-'));
    const { uid, gid } = await stat(server.dataFolder);
    await chown(place, uid, gid);
    await server.query(`CREATE TABLESPACE elsewhere LOCATION '${place}'`);
    await server.query('CREATE TABLE apart TABLESPACE elsewhere AS SELECT generate_series(1, 777) AS x', [], 'shop');
    const repository = await backUp('postgresql.physical');
    const to = join(folder, 'restored');
    expect(await reader.run(['restore', repository, 'latest', '--to', to], { passphrase })).toMatchObject({ exitCode: 0 });
    await run('chown', ['-R', `${uid}:${gid}`, folder]);
    const bin = findPgClients(15)!.folder;
    const data = join(to, 'data');
    const verified = await run(join(bin, 'pg_verifybackup'), ['--ignore=tablespace_map', data], { uid, gid });
    expect(verified.stdout).toContain('backup successfully verified');

    const port = await freePort();
    const settings = `-c port=${port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off`;
    await run(join(bin, 'pg_ctl'), ['-D', data, '-w', '-l', join(folder, 'log'), '-o', settings, 'start'], { uid, gid });
    try {
      const restored = new URL(server.connectionString('shop'));
      restored.port = String(port);
      const ask = async (sql: string) => (await run(findPgClients(15)!.psql, ['-X', '-At', '-d', restored.href, '-c', sql])).stdout;
      const [expected] = await server.query<{ rows: number; sum: string }>(DIGEST, [], 'shop');
      expect(await ask(DIGEST)).toBe(`${expected?.rows}|${expected?.sum}\n`);
      expect(await ask('SELECT count(*) FROM apart')).toBe('777\n');
      expect(await ask(`SELECT pg_tablespace_location(oid) FROM pg_tablespace WHERE spcname = 'elsewhere'`)).toContain(to);
      expect(await ask('SHOW archive_mode')).toBe('off\n');
    } finally {
      await run(join(bin, 'pg_ctl'), ['-D', data, '-m', 'immediate', 'stop'], { uid, gid });
      await rm(place, { recursive: true, force: true });
    }
    expect(await readFile(join(data, 'PG_VERSION'), 'utf8')).toBe('15\n');
  });
});

describe('an incremental backup of PostgreSQL, restored by rahat-reader', () => {
  (hasPgClients(18) ? it : it.skip)('is put together with its parent by pg_combinebackup, as it says', async () => {
    await using newer = await startPostgresql({
      major: 18,
      settings: { full_page_writes: 'on', wal_level: 'replica', summarize_wal: 'on' },
    });
    const write = newWriter(newer);
    const full = await write({ method: 'postgresql.physical' });
    const link = await write({ method: 'postgresql.physical', backupType: 'incremental', parent: full });
    const [below, above] = [join(folder, 'full'), join(folder, 'link')];
    for (const [snapshot, to] of [
      [full, below],
      [link, above],
    ] as const)
      expect(await reader.run(['restore', join(folder, 'main'), snapshot, '--to', to], { passphrase })).toMatchObject({ exitCode: 0 });
    expect(await readFile(join(above, 'RESTORE.txt'), 'utf8')).toContain(`since the snapshot ${full}`);
    expect(await readFile(join(below, 'RESTORE.txt'), 'utf8')).not.toContain('pg_combinebackup');

    const bin = findPgClients(18)!.folder;
    const data = join(folder, 'data');
    await run(join(bin, 'pg_combinebackup'), [join(below, 'data'), join(above, 'data'), '-o', data]);
    expect((await run(join(bin, 'pg_verifybackup'), ['-n', data])).stdout).toContain('backup successfully verified');
  });
});
