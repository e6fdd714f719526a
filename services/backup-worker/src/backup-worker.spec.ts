import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import {
  type AttemptResult,
  type BackupSpec,
  type CommandPayload,
  type FoundSnapshot,
  newId,
  RahatError,
  type PostgresqlConnection,
  QUEUES,
  SCHEDULER,
  type RepositoryPower,
  type RebuildSpec,
  type RunProgress,
  type RunSecrets,
  type VerificationSpec,
} from '@rahat/contracts';
import { openBlobStore } from '@rahat/blob-store-registry';
import { openMessaging, type Messaging } from '@rahat/messaging';
import { openOfflineRepository } from '@rahat/execution';
import { createRepository, grantCredential } from '@rahat/repository';
import { openPoolKey, sealFor } from '@rahat/secrets';
import { startPostgresql, type PostgresqlServer } from '@rahat/test-servers';
import { BackupWorkerModule, configSchema } from './index.js';

const run = promisify(execFile);

let server: PostgresqlServer;
let connection: PostgresqlConnection;
let folder: string;
let scheduler: Messaging;
let workerMessaging: Messaging;
let worker: INestApplicationContext;
let publicKey: string;
/** What the scheduler was told, by name of the message. */
const told = { finished: new Map<string, CommandPayload<'attempt.finished.v1'>>(), progress: [] as RunProgress[], log: [] as string[] };
/** What is told of found snapshots. */
const catalog = { pages: [] as { run: string; snapshots: FoundSnapshot[]; last: boolean }[], refusals: 0, lost: '' };

beforeAll(async () => {
  server = await startPostgresql({ major: 15 });
  const { host, port, user, password } = server;
  connection = { host, port, user, password, maintenanceDatabase: 'postgres', tls: 'prefer' };
  for (const database of ['queues', 'small', 'large']) await server.query(`CREATE DATABASE ${database}`);
  await server.query('CREATE TABLE t AS SELECT i AS id, md5(i::text) AS note FROM generate_series(1, 1000) i', [], 'small');
  // Incompressible and without repetition, so that it takes a while and fills a disk.
  await server.query(
    `CREATE TABLE t AS SELECT i AS id, sha512(i::text::bytea) || sha512((-i)::text::bytea) AS noise FROM generate_series(1, 900000) i`,
    [],
    'large',
  );

  folder = await mkdtemp(join(tmpdir(), 'rahat-worker-test-'));
  scheduler = await openMessaging({ postgresUrl: server.connectionString('queues'), prefix: 'test' });
  workerMessaging = await openMessaging({ postgresUrl: server.connectionString('queues'), prefix: 'test' });
  scheduler.work(
    QUEUES.scheduler,
    {
      'worker.alive.v1': async () => undefined,
      'attempt.heartbeat.v1': async () => undefined,
      'attempt.progress.v1': async (progress) => void told.progress.push(progress),
      'attempt.log.v1': async ({ lines }) => void told.log.push(...lines.map(({ message }) => message)),
      'attempt.finished.v1': async (message) => void told.finished.set(`${message.run}/${message.attempt}`, message),
    },
    { concurrency: 4 },
  );
  scheduler.answer(SCHEDULER, {
    'attempt.claim.v1': async () => ({ granted: true }),
    'snapshots.found.v1': async (page) => {
      if (catalog.refusals-- > 0) throw new RahatError('unavailable', 'the catalog is being restarted');
      catalog.pages.push(page);
      if (page.run === catalog.lost) return { granted: false };
      const snapshots = page.snapshots.map(({ snapshot, readable }) =>
        readable ? { snapshot, outcome: 'recorded' as const } : { snapshot, outcome: 'unreadable' as const, reason: 'torn' },
      );
      return { granted: true, snapshots, ...(page.last ? { missing: { count: 1, backups: [{ backup: 'b', snapshot: 's' }] } } : {}) };
    },
  });
  const config = configSchema.parse({
    RAHAT_WORKER_POOL_KEY_PATH: join(folder, 'pool.key'),
    RAHAT_WORKER_SCRATCH: join(folder, 'scratch'),
    RAHAT_WORKER_CACHE: join(folder, 'cache'),
    RAHAT_WORKER_DRAIN_SECONDS: '0',
  });
  publicKey = (await openPoolKey(join(folder, 'pool.key'))).publicKey;
  const runtime = { service: 'backup-worker', messaging: workerMessaging, principals: { mint: async () => '' } as never };
  worker = await NestFactory.createApplicationContext(BackupWorkerModule.register({ runtime, config }), { logger: ['error'] });
});

afterAll(async () => {
  await worker?.close();
  await Promise.all([workerMessaging?.close(), scheduler?.close()]);
  await server?.stop();
  await rm(folder, { recursive: true, force: true });
});

let storagePath: string;
beforeEach(async () => {
  storagePath = await mkdtemp(join(folder, 'storage-'));
  told.progress.length = 0;
  told.log.length = 0;
});
afterEach(() => rm(storagePath, { recursive: true, force: true }));

/** What runs are given: one that backs up can't read. */
async function newRepository(path = storagePath): Promise<Record<'toWrite' | 'toRead', RunSecrets>> {
  const storage = { driver: 'local' as const, path };
  const repository = await createRepository(await openBlobStore(storage, 'main'), { passphrase: 'correct horse battery' });
  const secretsWith = (power: RepositoryPower): RunSecrets => {
    const credential = grantCredential(power, repository.id, repository.exportSecrets());
    return { source: connection, repositories: [{ repositoryId: repository.id, storage, prefix: 'main', credential }] };
  };
  return { toWrite: secretsWith('write-only'), toRead: secretsWith('read') };
}

async function sealed(secrets: RunSecrets, change: { run?: string; attempt?: number } = {}) {
  const { run: id = newId('run'), attempt = 1 } = change;
  return {
    version: 1 as const,
    run: id,
    attempt,
    organization: 'org_1',
    engine: 'postgresql' as const,
    server: { id: 'server_1', name: 'one' },
    repository: 'repository_1',
    deadline: new Date(Date.now() + 3_600_000).toISOString(),
    noProgressSeconds: 900,
    sealedSecrets: await sealFor(publicKey, JSON.stringify(secrets), `${id}/${attempt}`),
  };
}

async function backupOf(database: string, secrets: RunSecrets, change: { run?: string; attempt?: number } = {}): Promise<BackupSpec> {
  return {
    ...(await sealed(secrets, change)),
    type: 'backup',
    method: 'postgresql.logical',
    database: { name: database },
    snapshot: randomBytes(16).toString('hex'),
    deep: false,
  };
}

const queue = (spec: BackupSpec | VerificationSpec | RebuildSpec) => scheduler.send(QUEUES.worker('default'), 'run.execute.v1', { spec });

async function resultOf(spec: { run: string; attempt: number }): Promise<AttemptResult> {
  for (;;) {
    const message = told.finished.get(`${spec.run}/${spec.attempt}`);
    if (message) return message.result;
    await sleep(20);
  }
}

async function snapshots(path = storagePath): Promise<string[]> {
  const names = [];
  for await (const { name } of (await openBlobStore({ driver: 'local', path }, 'main')).list('snapshots/')) names.push(name);
  return names;
}

/** The attempt's child, once bytes flow. */
async function childInMidBackup(spec: BackupSpec): Promise<number> {
  while (!told.progress.some((progress) => progress.run === spec.run && progress.bytes > 1_000_000)) await sleep(10);
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => '');
    const argv = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (cwd.includes(spec.run) && argv.includes('run-child.js')) return Number(pid);
  }
  throw new Error('the child has ended already');
}

const sessionsLeft = () => server.query(`SELECT application_name, query FROM pg_stat_activity WHERE datname IN ('large', 'small')`);

async function noSessionsLeft(): Promise<boolean> {
  for (let tries = 0; tries < 300; tries += 1, await sleep(100)) if ((await sessionsLeft()).length === 0) return true;
  return false;
}

describe('backup worker', () => {
  it('takes a run from the queue, tells how it goes and what came out, and leaves nothing in its scratch folder', async () => {
    const secrets = await newRepository();
    const spec = await backupOf('small', secrets.toWrite);
    await queue(spec);
    expect(await resultOf(spec)).toMatchObject({
      outcome: 'evidence',
      evidence: { type: 'backup', snapshot: spec.snapshot, committed: true, rows: 1000 },
    });
    const proof: VerificationSpec = { ...(await sealed(secrets.toRead)), type: 'verification', level: 'DATABASE', snapshot: spec.snapshot };
    await queue(proof);
    expect(await resultOf(proof)).toMatchObject({ outcome: 'evidence', evidence: { level: 'DATABASE', findings: [] } });
    expect(told.log.join('\n')).toContain(spec.snapshot);
    expect(await readdir(join(folder, 'scratch'))).toEqual([]);
  });

  it('survives kill -9 of a child in mid-backup: no snapshot, an honest error, a clean next attempt', async () => {
    const secrets = await newRepository();
    const spec = await backupOf('large', secrets.toWrite);
    await queue(spec);
    process.kill(await childInMidBackup(spec), 'SIGKILL');
    expect(await resultOf(spec)).toMatchObject({ outcome: 'error', error: { code: 'worker_lost', retryable: true } });
    expect(await snapshots()).toEqual([]);
    expect(await noSessionsLeft()).toBe(true);
    expect(await readdir(join(folder, 'scratch'))).toEqual([]);

    const again = await backupOf('large', secrets.toWrite, { run: spec.run, attempt: 2 });
    await queue(again);
    expect(await resultOf(again)).toMatchObject({ outcome: 'evidence', evidence: { rows: 900_000, committed: true } });
    expect(await snapshots()).toEqual([`snapshots/${again.snapshot}`]);
  });

  it('cancels within two seconds, and ends the sessions on the server', async () => {
    const spec = await backupOf('large', (await newRepository()).toWrite);
    await queue(spec);
    await childInMidBackup(spec);
    const asked = Date.now();
    await scheduler.signal('run.cancel', { run: spec.run });
    expect(await resultOf(spec)).toEqual({ outcome: 'cancelled' });
    expect(Date.now() - asked).toBeLessThan(2_000);
    expect(await noSessionsLeft()).toBe(true);
    expect(await snapshots()).toEqual([]);
  });

  it('holds the source up while a run is paused, and ends whole after it was resumed', async () => {
    const spec = await backupOf('large', (await newRepository()).toWrite);
    await queue(spec);
    await childInMidBackup(spec);
    const bytesOf = () => told.progress.filter(({ run }) => run === spec.run).at(-1)!;
    const asked = Date.now();
    await scheduler.signal('run.pause', { run: spec.run });
    while (bytesOf().phase !== 'paused') await sleep(20);
    expect(Date.now() - asked).toBeLessThan(2_000);
    const waiting = async () =>
      (await server.query(`SELECT 1 FROM pg_stat_activity WHERE datname = 'large' AND wait_event = 'ClientWrite'`)).length > 0;
    for (let tries = 0; tries < 200 && !(await waiting()); tries += 1) await sleep(50);
    expect(await waiting()).toBe(true);
    expect(told.finished.has(`${spec.run}/1`)).toBe(false);
    await scheduler.signal('run.resume', { run: spec.run });
    expect(await resultOf(spec)).toMatchObject({ outcome: 'evidence', evidence: { rows: 900_000, committed: true } });
  });

  it('says that the disk is full, and keeps the older snapshot whole', async () => {
    const disk = join(storagePath, 'small-disk');
    await mkdir(disk);
    // Without the right to mount there is no small disk to be had.
    if (
      !(await run('mount', ['-t', 'tmpfs', '-o', 'size=40m', 'tmpfs', disk]).then(
        () => true,
        () => false,
      ))
    )
      return;
    try {
      const secrets = await newRepository(disk);
      const older = await backupOf('small', secrets.toWrite);
      await queue(older);
      expect(await resultOf(older)).toMatchObject({ outcome: 'evidence' });
      const tooLarge = await backupOf('large', secrets.toWrite);
      await queue(tooLarge);
      expect(await resultOf(tooLarge)).toMatchObject({
        outcome: 'error',
        error: { code: 'storage_full', message: expect.stringContaining(disk), hint: expect.stringContaining('Free space') },
      });
      expect(await snapshots(disk)).toEqual([`snapshots/${older.snapshot}`]);
      await writeFile(join(disk, 'filler'), Buffer.alloc(1_000)).catch(() => undefined);
      const proof: VerificationSpec = {
        ...(await sealed(secrets.toRead)),
        type: 'verification',
        level: 'DATABASE',
        snapshot: older.snapshot,
      };
      await queue(proof);
      expect(await resultOf(proof)).toMatchObject({ outcome: 'evidence', evidence: { findings: [] } });
    } finally {
      await run('umount', ['-l', disk]);
    }
  });

  it('tells the catalog page by page what a repository holds, with a key that only writes, and waits for it to answer', async () => {
    const secrets = await newRepository();
    const backup = { ...(await backupOf('small', secrets.toWrite)), plan: { id: 'plan_1', name: 'nightly' } };
    await queue(backup);
    await resultOf(backup);
    const { engine } = await openOfflineRepository(join(storagePath, 'main'), { type: 'passphrase', passphrase: 'correct horse battery' });
    const { objects: _objects, ...facts } = await engine.findSnapshot(backup.snapshot);
    for (let copy = 0; copy < 104; copy++) {
      await using session = await engine.beginWriting({ writer: 'test' });
      await session.commit(`snapshot_${String(copy).padStart(3, '0')}`, facts, []);
    }
    await engine.moveToTrash('snapshot_000');
    await writeFile(join(storagePath, 'main/snapshots/snapshot_001'), 'torn');

    const rebuild = async (): Promise<RebuildSpec> => {
      const { engine: _engine, server: _server, ...ofRepository } = await sealed({ ...secrets.toWrite, source: undefined });
      return { ...ofRepository, type: 'rebuild', dryRun: false };
    };
    catalog.refusals = 1;
    const spec = await rebuild();
    await queue(spec);
    expect(await resultOf(spec)).toMatchObject({
      outcome: 'evidence',
      evidence: {
        type: 'rebuild',
        found: 105,
        outcomes: { recorded: 104, unreadable: 1 },
        missing: { count: 1 },
        findings: [{ object: 'snapshot_001', severity: 'gap', message: 'torn' }],
      },
    });
    const pages = catalog.pages.filter(({ run: of }) => of === spec.run);
    expect(pages.map(({ snapshots, last }) => [snapshots.length, last])).toEqual([
      [100, false],
      [5, true],
    ]);
    const found = pages.flatMap(({ snapshots }) => snapshots);
    expect(found.find(({ snapshot }) => snapshot === backup.snapshot)).toMatchObject({
      place: 'snapshots',
      run: backup.run,
      plan: backup.plan,
      database: { name: 'small' },
      rows: 1000,
      evidence: { cleanExit: true, trailerSeen: true },
    });
    expect(found.filter(({ place }) => place === 'trash').map(({ snapshot }) => snapshot)).toEqual(['snapshot_000']);

    const lost = await rebuild();
    catalog.lost = lost.run;
    await queue(lost);
    expect(await resultOf(lost)).toMatchObject({ outcome: 'error', error: { code: 'worker_lost' } });
  });

  it('answers a probe, also of a server that refuses the password', async () => {
    const binding = randomBytes(8).toString('hex');
    const question = async (source: PostgresqlConnection) => ({
      engine: 'postgresql' as const,
      binding,
      sealedSecrets: await sealFor(publicKey, JSON.stringify({ source, repositories: [] }), binding),
    });
    expect(await scheduler.ask('default', 'server.probe.v1', await question(connection), 20_000)).toMatchObject({
      reachable: true,
      version: expect.stringMatching(/^15/),
    });
    const refused = await scheduler.ask('default', 'server.probe.v1', await question({ ...connection, password: 'planted-wrong' }), 20_000);
    expect(refused).toMatchObject({ reachable: false, error: { code: 'source_authentication_failed' } });
    expect(JSON.stringify(refused)).not.toContain('planted');
  });
});
