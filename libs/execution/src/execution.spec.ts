import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openBlobStore } from '@rahat/blob-store-registry';
import {
  type Assertion,
  type BackupEvidence,
  type BackupSpec,
  type PostgresqlConnection,
  type RestoreSpec,
  type RunSecrets,
  type VerificationEvidence,
  type VerificationLevel,
  type VerificationSpec,
} from '@rahat/contracts';
import { startPostgresql } from '@rahat/test-servers';
import { discoverDatabases, executeRun, type ExecutionOptions, openOfflineRepository, outlineRestore, probeServer } from './index.js';
import { connectionTo, createGrantedRepository, PASSPHRASE, runHead, runOptions, storageIn } from './testing/run-parts.js';

type TestServer = Awaited<ReturnType<typeof startPostgresql>>;
let server: TestServer;
let connection: PostgresqlConnection;
let folder: string;
let logged: string[];

beforeAll(async () => {
  server = await startPostgresql({ major: 15 });
  connection = connectionTo(server);
  await server.query('CREATE DATABASE shop');
  await server.query(
    `CREATE TABLE orders (id int PRIMARY KEY, note text); INSERT INTO orders SELECT i, repeat(md5(i::text), 8) FROM generate_series(1, 20000) i`,
    [],
    'shop',
  );
  await server.query(
    `CREATE SCHEMA "Käufer"; CREATE TABLE "Käufer"."a.b c" (v jsonb); INSERT INTO "Käufer"."a.b c" VALUES ('{"a": 1}'), (NULL)`,
    [],
    'shop',
  );
});
afterAll(() => server.stop());

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rahat-execution-'));
  logged = [];
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const passphrase = (text: string) => ({ type: 'passphrase', passphrase: text }) as const;

type GrantedSecrets = Record<'toWrite' | 'toRead', RunSecrets>;

/** What runs are given: one that backs up, or verifies on level BASIC, can't read. */
async function secretsFor(source: PostgresqlConnection = connection): Promise<GrantedSecrets> {
  const { secrets } = await createGrantedRepository(folder);
  return { toWrite: secrets('write-only', source), toRead: secrets('read', source) };
}

const secretsOf = ({ toWrite, toRead }: GrantedSecrets, level: VerificationLevel) => (level === 'BASIC' ? toWrite : toRead);

function options(signal: AbortSignal = new AbortController().signal): ExecutionOptions {
  return runOptions(folder, { signal, onLog: (_level, message) => logged.push(message) });
}

const backupSpec = (): BackupSpec => ({
  ...runHead(),
  type: 'backup',
  method: 'postgresql.logical',
  database: { name: 'shop' },
  snapshot: randomBytes(16).toString('hex'),
  deep: false,
});
const verificationSpec = (snapshot: string, level: VerificationLevel, assertions: Assertion[] = []): VerificationSpec => ({
  ...runHead(),
  assertions,
  type: 'verification',
  level,
  snapshot,
});
const ORDERS: Assertion = {
  name: 'orders',
  sql: 'SELECT count(*) FROM orders',
  expect: { kind: 'value', equals: 20_000 },
  timeoutSeconds: 30,
};
const restoreSpec = (snapshot: string, change: Partial<RestoreSpec> = {}): RestoreSpec => ({
  ...runHead(),
  type: 'restore',
  snapshot,
  target: { kind: 'database', name: `restored_${randomBytes(4).toString('hex')}`, replace: false },
  intoExisting: false,
  noOwner: false,
  noAcl: false,
  ...change,
});

async function backup({ toWrite }: GrantedSecrets): Promise<BackupEvidence> {
  const evidence = await executeRun(backupSpec(), toWrite, options());
  if (evidence.type !== 'backup') throw new Error('expected the evidence of a backup');
  return evidence;
}

describe('execution of a logical backup', () => {
  it('stores a database, proves it on every level and brings it back', async () => {
    const secrets = await secretsFor();
    const evidence = await backup(secrets);
    expect(evidence).toMatchObject({
      cleanExit: true,
      trailerSeen: true,
      committed: true,
      rows: 20_002,
      repository: 'repository_1',
      consistency: 'snapshot',
    });
    expect(evidence.objectsFound).toBe(evidence.objectsExpected);

    for (const level of ['BASIC', 'DATABASE', 'FULL'] as const) {
      const proof = await executeRun(verificationSpec(evidence.snapshot, level, [ORDERS]), secretsOf(secrets, level), options());
      expect(proof).toMatchObject({ type: 'verification', level, snapshot: evidence.snapshot });
      if (proof.type !== 'verification') throw new Error('expected the evidence of a verification');
      expect(proof.findings.filter((finding) => finding.severity === 'blocker')).toEqual([]);
      expect(proof.objectsChecked).toBe(proof.objectsExpected);
      if (level === 'FULL') {
        expect(proof.tables.map((table) => [table.schema, table.table, table.actualRows, table.matches]).sort()).toEqual([
          ['Käufer', 'a.b c', 2, true],
          ['public', 'orders', 20_000, true],
        ]);
        expect(proof.restoredOn).toContain('PostgreSQL');
        expect(proof.assertions).toMatchObject([{ name: 'orders', passed: true, message: expect.stringContaining('found 20000') }]);
      }
    }

    const restored = await executeRun(
      restoreSpec(evidence.snapshot, { target: { kind: 'database', name: 'shop copy', replace: false } }),
      secrets.toRead,
      options(),
    );
    expect(restored).toMatchObject({ type: 'restore', target: expect.stringContaining('shop copy') });
    const [row] = await server.query<{ sum: string }>(
      "SELECT count(*) || md5(string_agg(note, '' ORDER BY id)) AS sum FROM orders",
      [],
      'shop copy',
    );
    const [original] = await server.query<{ sum: string }>(
      "SELECT count(*) || md5(string_agg(note, '' ORDER BY id)) AS sum FROM orders",
      [],
      'shop',
    );
    expect(row).toEqual(original);
    expect(await readdir(folder)).toEqual(['storage']);
  });

  it('is collected with a key that only writes: what was removed leaves the trash when its time is over', async () => {
    const secrets = await secretsFor();
    const [removed, kept] = [await backup(secrets), await backup(secrets)];
    const { engine } = await openOfflineRepository(join(folder, 'storage/main'), passphrase(PASSPHRASE));
    await engine.moveToTrash(removed.snapshot);
    const moved: string[] = [];
    const onProgress: ExecutionOptions['onProgress'] = ({ object }) => void (object && moved.push(object));
    const { engine: _engine, server: _server, ...ofRepository } = runHead();
    const collect = (undoPeriodSeconds: number) =>
      executeRun({ ...ofRepository, type: 'collection', undoPeriodSeconds }, secrets.toWrite, { ...options(), onProgress });
    expect(await collect(3_600)).toMatchObject({ type: 'collection', snapshots: 2, purged: 0, missingChunks: 0 });
    expect(moved.some((name) => name.startsWith('snapshots/'))).toBe(true);
    const before = new Date(Date.now() - 10_000);
    await utimes(join(folder, 'storage/main/trash', removed.snapshot), before, before);
    expect(await collect(1)).toMatchObject({ snapshots: 1, purged: 1, purgedSnapshots: [removed.snapshot], findings: [] });
    expect((await engine.findSnapshot(kept.snapshot)).snapshot).toBe(kept.snapshot);
  });

  it('reads with the folder and the passphrase alone', async () => {
    const evidence = await backup(await secretsFor());
    const path = join(folder, 'storage/main');
    await expect(openOfflineRepository(path, passphrase('wrong'))).rejects.toMatchObject({ code: 'repository_wrong_passphrase' });
    const offline = await openOfflineRepository(path, passphrase(PASSPHRASE));
    const snapshots = [];
    for await (const snapshot of offline.snapshots()) snapshots.push(snapshot);
    expect(snapshots).toMatchObject([{ readable: true, id: evidence.snapshot, databaseName: 'shop', serverName: 'shop server' }]);
    expect((await offline.engine.check({ level: 'deep' })).healthy).toBe(true);
    const restored = await offline.restore({
      snapshot: 'latest',
      connection,
      target: { kind: 'database', name: 'offline_copy', replace: false },
      tables: [{ schema: 'public', table: 'orders' }],
    });
    expect(restored.tables).toEqual([{ schema: 'public', table: 'orders', expectedRows: 20_000, actualRows: 20_000, matches: true }]);
    expect(await server.query('SELECT count(*)::int AS rows FROM orders', [], 'offline_copy')).toEqual([{ rows: 20_000 }]);
  });

  it('refuses to read for a run that was given a credential that only writes', async () => {
    const secrets = await secretsFor();
    const { snapshot } = await backup(secrets);
    for (const spec of [verificationSpec(snapshot, 'DATABASE'), verificationSpec(snapshot, 'FULL'), restoreSpec(snapshot)])
      await expect(executeRun(spec, secrets.toWrite, options())).rejects.toMatchObject({ code: 'master_key_needed' });
  });

  it('adopts what the same attempt had committed before its worker died', async () => {
    const secrets = await secretsFor();
    const spec = backupSpec();
    const first = await executeRun(spec, secrets.toWrite, options());
    // The source is not asked again.
    const again = await executeRun(spec, { ...secrets.toWrite, source: { ...connection, port: 1 } }, options());
    expect(again).toEqual(first);
  });

  it('answers probe, discovery and what a restore would overwrite', async () => {
    const secrets = await secretsFor();
    const evidence = await backup(secrets);
    const ask = { signal: new AbortController().signal, toolFolders: [], scratchFolder: folder };
    expect(await probeServer('postgresql', connection, ask)).toMatchObject({ reachable: true, version: expect.stringMatching(/^15/) });
    expect((await discoverDatabases('postgresql', connection, ask)).map(({ name }) => name)).toContain('shop');
    const outline = await outlineRestore(
      restoreSpec(evidence.snapshot, { target: { kind: 'database', name: 'shop', replace: true } }),
      secrets.toRead,
      ask,
    );
    expect(outline.overwrites.join()).toContain('shop');
    const closed = await probeServer('postgresql', { ...connection, port: 1 }, ask);
    expect(closed).toMatchObject({ reachable: false, error: { code: 'source_unreachable' } });
  });
});

describe('execution of a physical backup', () => {
  it('stores a whole server, proves it and restores it into a folder', async () => {
    const secrets = await secretsFor();
    const spec: BackupSpec = { ...backupSpec(), method: 'postgresql.physical', database: undefined };
    const evidence = await executeRun(spec, secrets.toWrite, options());
    expect(evidence).toMatchObject({ type: 'backup', cleanExit: true, trailerSeen: true, committed: true });
    for (const level of ['DATABASE', 'FULL'] as const) {
      const asked = [
        { ...ORDERS, database: 'shop' },
        { ...ORDERS, name: 'elsewhere', database: 'nowhere' },
      ];
      const proof = await executeRun(verificationSpec(spec.snapshot, level, asked), secrets.toRead, options());
      expect(proof.findings.filter((finding) => finding.severity === 'blocker')).toEqual([]);
      expect(proof).toMatchObject({ level, objectsChecked: (proof as VerificationEvidence).objectsExpected });
      if (level === 'FULL') {
        expect(proof).toMatchObject({
          tables: [],
          assertions: [
            { name: 'orders', passed: true },
            { name: 'elsewhere', passed: false, message: "Assertion 'elsewhere' failed: there is no database 'nowhere' in the backup." },
          ],
          tablesRead: expect.arrayContaining([{ database: 'shop', schema: 'public', table: 'orders', rows: 20_000 }]),
        });
      }
    }
    const path = join(folder, 'restored');
    const restore = restoreSpec(spec.snapshot, { target: { kind: 'folder', path } });
    const ask = { signal: new AbortController().signal, toolFolders: [], scratchFolder: folder };
    expect((await outlineRestore(restore, secrets.toRead, ask)).steps.join()).toContain(path);
    await executeRun(restore, secrets.toRead, options());
    expect(await readFile(join(path, 'PG_VERSION'), 'utf8')).toBe('15\n');
    expect(await readdir(folder)).toEqual(['restored', 'storage']);
  });
});

describe('execution under faults', () => {
  const snapshotsIn = async () => {
    const names = [];
    for await (const { name } of (await openBlobStore(storageIn(folder), 'main')).list('snapshots/')) names.push(name);
    return names;
  };

  it('refuses a wrong password without telling it, and stores nothing', async () => {
    const secrets = await secretsFor({ ...connection, password: 'planted-wrong-password' });
    const error = await executeRun(backupSpec(), secrets.toWrite, options()).catch((failure: unknown) => failure);
    expect(error).toMatchObject({ code: 'source_authentication_failed' });
    expect(JSON.stringify([String(error), error, logged])).not.toContain('planted');
    expect(await snapshotsIn()).toEqual([]);
  });

  it('stops at a cancel, on the server too, and stores nothing', async () => {
    const abort = new AbortController();
    const spec = backupSpec();
    const secrets = await secretsFor();
    const execution = executeRun(spec, secrets.toWrite, {
      ...options(abort.signal),
      onProgress: ({ bytes }) => bytes > 0 && abort.abort(),
    });
    await expect(execution).rejects.toMatchObject({ code: 'cancelled' });
    expect(await snapshotsIn()).toEqual([]);
    expect(
      await server.query(`SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'rhb%' OR application_name LIKE 'pg_dump%'`),
    ).toEqual([]);
  });

  it('finds a flipped byte of a pack on every level and never restores it', async () => {
    const secrets = await secretsFor();
    const { snapshot } = await backup(secrets);
    const packs = [];
    for await (const { name, sizeBytes } of (await openBlobStore(storageIn(folder), 'main')).list('packs/'))
      packs.push({ name, sizeBytes });
    const largest = join(folder, 'storage/main', packs.sort((left, right) => right.sizeBytes - left.sizeBytes)[0]!.name);
    const bytes = await readFile(largest);
    bytes.writeUInt8(bytes.readUInt8(5_000) ^ 1, 5_000);
    await writeFile(largest, bytes);
    for (const level of ['BASIC', 'DATABASE', 'FULL'] as const) {
      const proof = await executeRun(verificationSpec(snapshot, level), secretsOf(secrets, level), options());
      expect(proof.findings).toContainEqual(expect.objectContaining({ severity: 'blocker' }));
    }
    const spec = restoreSpec(snapshot);
    await expect(executeRun(spec, secrets.toRead, options())).rejects.toMatchObject({ code: 'repository_damaged' });
    const name = spec.target.kind === 'database' ? spec.target.name : '';
    expect(await server.query('SELECT datname FROM pg_database WHERE datname = $1', [name])).toEqual([]);
  });

  it('says that a snapshot is gone as damage of the backup', async () => {
    const secrets = await secretsFor();
    const proof = await executeRun(verificationSpec('0'.repeat(32), 'BASIC'), secrets.toWrite, options());
    expect(proof).toMatchObject({ objectsChecked: 0, findings: [{ code: 'snapshot_not_found', severity: 'blocker' }] });
  });
});
