import { randomBytes } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openBlobStore } from '@rahat/blob-store-registry';
import { newId, QUEUES, ROLE_SCOPES, type CommandPayload, type Principal } from '@rahat/contracts';
import { openMessaging, type Outbox } from '@rahat/messaging';
import { openServiceDatabase, provisionDatabase, type ServiceDatabase } from '@rahat/persistence';
import { openRepository } from '@rahat/repository';
import { createSecretBox } from '@rahat/secrets';
import { hasS3, startPostgresql, startS3, type PostgresqlServer, type S3Server } from '@rahat/test-servers';
import { configSchema, migrations, StorageModule } from './index.js';
import { FACTS } from './testing/snapshot-facts.js';
import { LogsService } from './repositories/logs.service.js';
import { RepositoryCommandsConsumer } from './repositories/repository-commands.consumer.js';
import { SnapshotsService } from './repositories/snapshots.service.js';
import { startTestApplication, type TestApplication } from '@rahat/service-kit/testing';

const PASSPHRASE = 'planted passphrase of a test';
const organization = newId('organization');
const admin: Principal = {
  kind: 'user',
  subject: newId('user'),
  name: 'Ada',
  organization,
  role: 'admin',
  scopes: ['*'],
  serverGroups: null,
  address: '127.0.0.1',
  requestId: 'request_1',
};
const stranger: Principal = { ...admin, organization: newId('organization') };
const viewer: Principal = { ...admin, role: 'viewer', scopes: ['plan:read'] };

let home: string;
let server: PostgresqlServer;
let database: ServiceDatabase;
let application: TestApplication;
let storage: string;
let queueUrl: string;
const sent: { name: string; payload: unknown }[] = [];
const outbox: Outbox = {
  command: async (_transaction, _queue, name, payload) => void sent.push({ name, payload }),
  event: async (_transaction, name, payload) => void sent.push({ name, payload }),
};

beforeAll(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'rahat-storage-'));
  await mkdir(path.join(home, 'data', 'keys'), { recursive: true });
  server = await startPostgresql({ major: 15 });
  const provisioned = await provisionDatabase({
    adminUrl: server.connectionString(),
    services: [{ name: 'storage', password: 'pw' }],
    queue: { schema: 'bullmq', role: 'rahat_queue', password: 'pw' },
  });
  queueUrl = provisioned.queueUrl!;
  database = await openServiceDatabase({ url: provisioned.serviceUrls['storage']!, service: 'storage', migrations, poolSize: 5 });
  const config = configSchema.parse({ RAHAT_DATA_FOLDER: path.join(home, 'data') });
  application = await startTestApplication((runtime) =>
    StorageModule.register({
      runtime: { ...runtime, service: 'storage', database, outbox },
      config,
      secretBox: createSecretBox(randomBytes(32)),
    }),
  );
  storage = (await addStorage('disk', path.join(home, 'disk'))).body.id;
});
afterAll(async () => {
  await application?.close();
  await database?.close();
  await server?.[Symbol.asyncDispose]();
  await rm(home, { recursive: true, force: true });
});

const call = (method: string, url: string, body?: unknown, as: Principal | undefined = admin) =>
  application.call(method, url, { body, as });
const addStorage = (name: string, folder: string, as = admin) =>
  call('POST', '/api/v2/storages', { name, settings: { driver: 'local', path: folder } }, as);
const addRepository = (body: object, as = admin) => call('POST', '/api/v2/repositories', { storage, ...body }, as);

describe('storages', () => {
  it('are probed, made, listed with their space, and leave no probe behind', async () => {
    const { data } = (await call('GET', '/api/v2/storages')).body;
    expect(data).toEqual([
      {
        id: storage,
        name: 'disk',
        settings: { driver: 'local', path: path.join(home, 'disk') },
        createdAt: expect.any(String),
        freeBytes: expect.any(Number),
        totalBytes: expect.any(Number),
      },
    ]);
    expect(data[0].freeBytes).toBeGreaterThan(0);
    expect((await call('GET', `/api/v2/storages/${storage}`)).body).toMatchObject({ name: 'disk' });
    expect((await readdir(path.join(home, 'disk'))).filter((name) => !name.startsWith('~'))).toEqual([]);
  });

  it('are made once on a folder that two ask for at once', async () => {
    const answers = await Promise.all(['left', 'right'].map((name) => addStorage(name, path.join(home, 'wanted'))));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409]);
  });

  it('are refused in the data folder, on a used folder, under a used name, in a repository, and where nothing can be written', async () => {
    expect(await addStorage('inside', path.join(home, 'data', 'keys'))).toMatchObject({ status: 422 });
    for (const [name, folder] of [
      ['relative', 'backups'],
      ['nul\0', path.join(home, 'x')],
      ['nul', path.join(home, 'x\0')],
    ] as const)
      expect(await addStorage(name, folder)).toMatchObject({ status: 422 });
    for (const folder of [path.join(home, 'disk'), path.join(home, 'disk', 'below'), home])
      expect(await addStorage('again', folder)).toMatchObject({ status: 409, body: { detail: expect.stringContaining('"disk"') } });
    expect((await addStorage('theirs', path.join(home, 'disk'), stranger)).body.detail).not.toContain('disk"');
    expect(await addStorage('disk', path.join(home, 'other'))).toMatchObject({ status: 409, body: { code: 'conflict' } });
    await mkdir(path.join(home, 'foreign'));
    await writeFile(path.join(home, 'foreign', 'rahat.json'), '{}');
    expect(await addStorage('foreign', path.join(home, 'foreign'))).toMatchObject({ status: 409, body: { code: 'repository_exists' } });
    await writeFile(path.join(home, 'file'), '');
    expect(await addStorage('file', path.join(home, 'file'))).toMatchObject({ status: 422 });
    if (process.getuid?.() !== 0) {
      await mkdir(path.join(home, 'closed'));
      await chmod(path.join(home, 'closed'), 0o500);
      expect(await addStorage('closed', path.join(home, 'closed'))).toMatchObject({ body: { code: 'storage_permission_denied' } });
    }
  });
});

describe('repositories', () => {
  it('are made with a passphrase that is shown once, and open with it', async () => {
    const made = await addRepository({ name: 'Shop Ankara' });
    expect(made).toMatchObject({
      status: 201,
      body: {
        prefix: 'shop-ankara',
        location: path.join(home, 'disk', 'shop-ankara'),
        passphrase: expect.stringMatching(/^([A-Z2-9]{4}-){6}[A-Z2-9]{4}$/),
      },
    });
    const opened = await openRepository(await openBlobStore({ driver: 'local', path: path.join(home, 'disk') }, 'shop-ankara'), {
      type: 'passphrase',
      passphrase: made.body.passphrase,
    });
    expect(opened.id).toBe(made.body.repositoryId);
    const { body } = await call('GET', `/api/v2/repositories/${made.body.id}`);
    expect(body).not.toHaveProperty('passphrase');
    expect(JSON.stringify(body)).not.toContain(made.body.passphrase);
    expect((await addRepository({ name: 'given', passphrase: PASSPHRASE })).body.passphrase).toBeNull();
  });

  it('are refused under a used name or folder, on what is not ours, and outside of the storage', async () => {
    expect(await addRepository({ name: 'Shop Ankara', prefix: 'elsewhere' })).toMatchObject({ status: 409, body: { code: 'conflict' } });
    expect(await addRepository({ name: 'other', prefix: 'shop-ankara' })).toMatchObject({
      status: 409,
      body: { code: 'repository_exists' },
    });
    await mkdir(path.join(home, 'disk', 'foreign'));
    await writeFile(path.join(home, 'disk', 'foreign', 'rahat.json'), '{}');
    expect(await addRepository({ name: 'foreign' })).toMatchObject({ status: 409, body: { code: 'repository_exists' } });
    await mkdir(path.join(home, 'disk', 'photos'));
    await writeFile(path.join(home, 'disk', 'photos', 'cat.jpg'), 'x');
    expect(await addRepository({ name: 'photos' })).toMatchObject({ status: 409, body: { code: 'conflict' } });
    expect(await readdir(path.join(home, 'disk', 'photos'))).toEqual(['cat.jpg']);
    for (const prefix of ['..', '.', '../x', 'a/b', '']) expect((await addRepository({ name: 'out', prefix })).status).toBe(422);
    expect((await addRepository({ name: 'short', passphrase: 'short' })).status).toBe(422);
    expect((await addRepository({ name: 'extra', organization: 'org_x' })).status).toBe(422);
  });

  it('are made once when two ask at once', async () => {
    const answers = await Promise.all([addRepository({ name: 'race' }), addRepository({ name: 'race' })]);
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409]);
  });
});

describe('grants', () => {
  it('go to services of the same organization only, and open the repository', async () => {
    const [repository] = (await call('GET', '/api/v2/repositories?limit=200')).body.data;
    const url = `/internal/v1/repositories/${repository.id}/grant`;
    const body = { repository: repository.id, power: 'write-only' };
    for (const as of [admin, viewer]) expect((await call('POST', url, body, as)).status).toBe(403);
    expect((await application.call('POST', url, { body })).status).toBe(401);
    expect((await call('POST', url, body, application.service('scheduler', stranger.organization))).status).toBe(404);
    expect(
      (await call('POST', url, { repository: newId('repository'), power: 'read' }, application.service('scheduler', organization))).status,
    ).toBe(422);
    const grant = (await call('POST', url, body, application.service('scheduler', organization))).body;
    const opened = await openRepository(await openBlobStore(grant.storage, grant.prefix), {
      type: 'write-only',
      credential: grant.credential.writeOnly,
    });
    expect(opened.id).toBe(grant.repositoryId);
  });

  it('hold no more than the power that was asked for', async () => {
    const [repository] = (await call('GET', '/api/v2/repositories?limit=200')).body.data;
    const ask = async (power: string) =>
      call(
        'POST',
        `/internal/v1/repositories/${repository.id}/grant`,
        { repository: repository.id, power },
        application.service('scheduler', organization),
      );
    const { credential: whole } = (await ask('read')).body;
    const toWrite = (await ask('write-only')).body;
    expect(Object.keys(toWrite.credential.writeOnly).sort()).toEqual([
      'format',
      'identitySecret',
      'metadataKey',
      'packPublicKey',
      'repository',
      'version',
    ]);
    expect(JSON.stringify(toWrite)).not.toContain(whole.masterKey);
    expect((await ask('everything')).status).toBe(422);
    const access = {
      type: 'secrets',
      masterKey: Buffer.from(whole.masterKey, 'base64'),
      identitySecret: Buffer.from(whole.identitySecret, 'base64'),
    } as const;
    const opened = await openRepository(await openBlobStore(toWrite.storage, toWrite.prefix), access);
    expect(opened.exportWriteOnlyCredential()).toEqual(toWrite.credential.writeOnly);
  });
});

(hasS3('rclone') ? describe : describe.skip)('storages in buckets', () => {
  let bucket: S3Server;

  beforeAll(async () => {
    bucket = await startS3('rclone');
    await bucket.createBucket('backups');
  });
  afterAll(() => bucket[Symbol.asyncDispose]());

  const settings = (over: object = {}) => ({
    driver: 's3',
    bucket: 'backups',
    prefix: 'of/shop',
    endpoint: bucket.endpoint,
    credentials: { source: 'access-key', accessKeyId: bucket.accessKeyId, secretAccessKey: bucket.secretAccessKey },
    ...over,
  });
  const addBucket = (name: string, over?: object, as = admin) => call('POST', '/api/v2/storages', { name, settings: settings(over) }, as);

  it('keep their secret sealed and never give it back, but to the run that needs it', async () => {
    const made = await addBucket('cloud');
    expect(made).toMatchObject({ status: 201, body: { freeBytes: null, settings: { bucket: 'backups', region: 'us-east-1' } } });
    expect(made.body.settings.credentials).toEqual({ source: 'access-key', accessKeyId: bucket.accessKeyId });
    const repository = await addRepository({ name: 'in the cloud', storage: made.body.id });
    expect(repository).toMatchObject({ status: 201, body: { location: 's3://backups/of/shop/in-the-cloud' } });
    const seen = [made.body, repository.body, (await call('GET', '/api/v2/storages')).body, sent];
    expect(JSON.stringify(seen)).not.toContain(bucket.secretAccessKey);
    const rows = await database.asSystem('look at what is kept', (transaction) => transaction.query('SELECT * FROM storages'));
    expect(JSON.stringify(rows)).not.toContain(bucket.secretAccessKey);

    const url = `/internal/v1/repositories/${repository.body.id}/grant`;
    const grant = (
      await call('POST', url, { repository: repository.body.id, power: 'write-only' }, application.service('scheduler', organization))
    ).body;
    const opened = await openRepository(await openBlobStore(grant.storage, grant.prefix), {
      type: 'write-only',
      credential: grant.credential.writeOnly,
    });
    expect(opened.id).toBe(repository.body.repositoryId);
  });

  it('are refused with the cause: wrong secret, no such bucket, nobody there, a place in use, an odd address', async () => {
    const wrong = { source: 'access-key', accessKeyId: bucket.accessKeyId, secretAccessKey: 'wrong' };
    const refusals = [
      [{ prefix: 'other', credentials: wrong }, 403, 'storage_login_refused'],
      [{ prefix: 'other', bucket: 'never-made' }, 404, 'storage_not_found'],
      [{ prefix: 'other', endpoint: 'http://127.0.0.1:9' }, 503, 'storage_unreachable'],
      [{ prefix: 'of' }, 409, 'conflict'],
      [{ prefix: 'of/shop/below' }, 409, 'conflict'],
      [{ prefix: 'other', endpoint: `${bucket.endpoint}/path` }, 422, 'invalid_input'],
      [{ prefix: '../other' }, 422, 'invalid_input'],
      [{ prefix: 'other', credentials: { source: 'access-key', accessKeyId: 'without its secret' } }, 422, 'invalid_input'],
    ] as const;
    for (const [over, status, code] of refusals) {
      const answer = await addBucket('refused', over);
      expect(answer).toMatchObject({ status, body: { code } });
      expect(JSON.stringify(answer.body)).not.toContain(bucket.secretAccessKey);
    }
    expect((await addBucket('beside it', { prefix: 'of/shopping' })).status).toBe(201);
  });
});

describe('snapshots', () => {
  const facts = { ...FACTS, organization };
  let repository: string;
  const remove = (change: Partial<CommandPayload<'snapshot.remove.v1'>> = {}) =>
    database.asSystem('test', (transaction) =>
      application
        .get(SnapshotsService)
        .remove(transaction, { organization, repository, snapshot: 'snapshot-2', backup: 'backup_2', reason: 'keep 1', ...change }),
    );
  const answers = () => sent.filter(({ name }) => name === 'snapshot.removed.v1').map(({ payload }) => payload);

  beforeAll(async () => {
    const made = (await addRepository({ name: 'browse', passphrase: PASSPHRASE })).body;
    repository = made.id;
    const opened = await openRepository(await openBlobStore({ driver: 'local', path: path.join(home, 'disk') }, 'browse'), {
      type: 'passphrase',
      passphrase: PASSPHRASE,
    });
    for (const index of [1, 2, 3]) {
      await using session = await opened.beginWriting({ writer: 'test' });
      const object = await session.writeObject(
        { key: 'rows/public/orders', kind: 'rows', order: 1, class: 'rows' },
        (async function* () {
          yield Buffer.from(`row ${index}`);
        })(),
      );
      await session.commit(`snapshot-${index}`, facts, [object]);
    }
  });
  const listed = async (query = '') => (await call('GET', `/api/v2/repositories/${repository}/snapshots${query}`)).body;

  it('are browsed from the repository itself, newest first, by pages', async () => {
    const first = await listed('?limit=2');
    expect(first.data.map(({ id }: { id: string }) => id)).toEqual(['snapshot-3', 'snapshot-2']);
    expect(first.data[0]).toMatchObject({ readable: true, serverName: 'shop server', databaseName: 'shop', objects: 1 });
    expect((await listed(`?limit=2&cursor=${first.page.nextCursor}`)).data.map(({ id }: { id: string }) => id)).toEqual(['snapshot-1']);
  });

  it('go to the trash by command, once however often it comes, and the scheduler is told', async () => {
    sent.length = 0;
    await remove();
    await remove();
    expect((await listed()).data.map(({ id }: { id: string }) => id)).toEqual(['snapshot-3', 'snapshot-1']);
    expect(answers()).toEqual(Array.from({ length: 2 }, () => ({ organization, backup: 'backup_2', snapshot: 'snapshot-2' })));
  });

  it('that are gone already, from the trash too, count as removed', async () => {
    sent.length = 0;
    await remove({ snapshot: 'snapshot-never-there', backup: 'backup_9' });
    expect(answers()).toEqual([{ organization, backup: 'backup_9', snapshot: 'snapshot-never-there' }]);
  });

  it('are taken from the queue', async () => {
    const messaging = await openMessaging({ postgresUrl: queueUrl, prefix: 'test' });
    const consumer = new RepositoryCommandsConsumer(messaging, database, application.get(SnapshotsService), application.get(LogsService));
    try {
      sent.length = 0;
      consumer.onApplicationBootstrap();
      await messaging.send(QUEUES.storage, 'snapshot.remove.v1', {
        organization,
        repository,
        snapshot: 'snapshot-1',
        backup: 'backup_1',
        reason: 'keep 1',
      });
      for (let tries = 0; tries < 300 && answers().length === 0; tries++) await sleep(100);
      expect(answers()).toEqual([{ organization, backup: 'backup_1', snapshot: 'snapshot-1' }]);
      expect((await listed()).data.map(({ id }: { id: string }) => id)).toEqual(['snapshot-3']);
    } finally {
      await consumer.onApplicationShutdown();
      await messaging.close();
    }
  });

  it('of attempts that were not accepted go to the trash, and only what was there is told', async () => {
    const discard = (snapshot: string, change: object = {}) =>
      database.asSystem('test', (transaction) =>
        application.get(SnapshotsService).discard(transaction, { organization, repository, snapshot, run: 'run_1', ...change }),
      );
    sent.length = 0;
    await discard('snapshot-never-committed');
    expect(sent).toEqual([]);
    await expect(discard('snapshot-3', { organization: stranger.organization })).rejects.toMatchObject({ code: 'not_found' });
    await discard('snapshot-3');
    expect(sent).toMatchObject([{ name: 'audit.recorded.v1', payload: { action: 'snapshot.discarded', target: { id: 'snapshot-3' } } }]);
    expect((await listed()).data).toEqual([]);
  });

  it('come back from the trash by command, and what is gone for good is told as that', async () => {
    const bringBack = (snapshot: string, change: object = {}) =>
      database.asSystem('test', (transaction) =>
        application.get(SnapshotsService).bringBack(transaction, { organization, repository, snapshot, backup: 'backup_3', ...change }),
      );
    sent.length = 0;
    await bringBack('snapshot-3');
    await bringBack('snapshot-3');
    await bringBack('snapshot-purged');
    await bringBack('snapshot-2', { organization: stranger.organization });
    expect((await listed()).data.map(({ id }: { id: string }) => id)).toEqual(['snapshot-3']);
    const told = sent.filter(({ name }) => name === 'snapshot.returned.v1').map(({ payload }) => payload);
    expect(told.map((answer) => (answer as { error?: { code: string } }).error?.code)).toEqual([
      undefined,
      undefined,
      'snapshot_not_found',
      'not_found',
    ]);
  });

  it('that could not be removed are reported with the cause', async () => {
    sent.length = 0;
    await remove({ organization: stranger.organization });
    await remove({ repository: newId('repository') });
    expect(answers()).toMatchObject([{ error: { code: 'not_found' } }, { error: { code: 'not_found' } }]);
    expect(sent.filter(({ payload }) => (payload as { action?: string }).action === 'snapshot.remove_failed')).toHaveLength(2);
  });
});

describe('every route', () => {
  it('asks for a principal, a role and the right organization', async () => {
    const [repository] = (await call('GET', '/api/v2/repositories')).body.data;
    const reads = [
      '/api/v2/storages',
      `/api/v2/storages/${storage}`,
      '/api/v2/repositories',
      `/api/v2/repositories/${repository.id}`,
      `/api/v2/repositories/${repository.id}/snapshots`,
    ];
    for (const url of reads) {
      expect((await application.call('GET', url, {})).status).toBe(401);
      expect((await call('GET', url, undefined, viewer)).status).toBe(403);
      const foreign = await call('GET', url, undefined, stranger);
      if (foreign.status === 200) expect(foreign.body.data).toEqual([]);
      else expect(foreign.status).toBe(404);
    }
    for (const url of ['/api/v2/storages', '/api/v2/repositories', '/api/v2/repositories/attach']) {
      expect((await application.call('POST', url, { body: {} })).status).toBe(401);
      expect(
        (
          await call(
            'POST',
            url,
            { name: 'x', storage, settings: { driver: 'local', path: path.join(home, 'x') } },
            { ...viewer, scopes: ['storage:read'] },
          )
        ).status,
      ).toBe(403);
    }
    expect((await addRepository({ name: 'theirs' }, stranger)).status).toBe(404);
  });

  it('tells whoever is limited to server groups the names of repositories, for plans, and nothing else', async () => {
    const limited: Principal = { ...admin, role: 'admin', scopes: [...ROLE_SCOPES.admin], serverGroups: ['group_1'] };
    const [repository] = (await call('GET', '/api/v2/repositories')).body.data;
    const { data } = (await call('GET', '/api/v2/repositories', undefined, limited)).body;
    expect(data.find(({ id }: { id: string }) => id === repository.id)).toEqual({ ...repository, location: '' });
    expect((await call('GET', `/api/v2/repositories/${repository.id}`, undefined, limited)).body.location).toBe('');
    for (const [method, url] of [
      ['GET', '/api/v2/storages'],
      ['GET', `/api/v2/storages/${storage}`],
      ['GET', `/api/v2/repositories/${repository.id}/snapshots`],
      ['POST', '/api/v2/storages'],
      ['POST', '/api/v2/repositories'],
      ['POST', '/api/v2/repositories/attach'],
    ] as const)
      expect([url, (await call(method, url, method === 'POST' ? {} : undefined, limited)).status]).toEqual([url, 403]);
  });
});

describe('secrets', () => {
  it('stand neither in messages nor in the database nor in the log', async () => {
    const [repository] = (await call('GET', '/api/v2/repositories')).body.data;
    const grant = (
      await call(
        'POST',
        `/internal/v1/repositories/${repository.id}/grant`,
        { repository: repository.id, power: 'read' },
        application.service('scheduler', organization),
      )
    ).body;
    const { masterKey, identitySecret } = grant.credential;
    const rows = JSON.stringify([
      await server.query(`SELECT * FROM storage.storages`),
      await server.query(`SELECT * FROM storage.repositories`),
    ]);
    for (const secret of [PASSPHRASE, masterKey, identitySecret])
      for (const place of [JSON.stringify(sent), rows, application.log()]) expect(place.includes(secret)).toBe(false);
  });
});

describe('log that is not needed any more', () => {
  it('goes to the trash by whole commits of its timeline, once however often the command comes', async () => {
    const made = (await addRepository({ name: 'with log', passphrase: PASSPHRASE })).body;
    const opened = await openRepository(await openBlobStore({ driver: 'local', path: path.join(home, 'disk') }, made.prefix), {
      type: 'passphrase',
      passphrase: PASSPHRASE,
    });
    const {
      database: _none,
      method: _method,
      label: _label,
      consistency: _consistency,
      positions: _positions,
      evidence: _evidence,
      ...facts
    } = FACTS;
    const name = (timeline: number, megabyte: number) =>
      `${timeline.toString(16).padStart(8, '0')}-${(megabyte << 20).toString(16).padStart(16, '0')}`;
    const lsn = (megabyte: number) => `0/${(megabyte << 20).toString(16).toUpperCase()}`;
    for (const [timeline, from, to] of [
      [1, 0, 1],
      [1, 1, 2],
      [1, 2, 4],
      [2, 1, 2],
    ] as const) {
      await using session = await opened.beginWriting({ writer: 'test' });
      const range = { timeline, start: lsn(from), end: lsn(to) };
      const bytes = async function* () {
        yield Buffer.from(`log of ${timeline} from ${from}`);
      };
      const object = await session.writeObject(
        { key: `wal/${name(timeline, from)}`, kind: 'log', order: 1, class: 'log' },
        bytes(),
        () => ({ meta: range }),
      );
      await session.commitLog('stream_1', { first: name(timeline, from), last: name(timeline, to) }, { ...facts, organization, range }, [
        object,
      ]);
    }
    const ranges = async () =>
      (await Array.fromAsync(opened.logs({ stream: 'stream_1' }))).map((listing) =>
        listing.ok ? `${listing.manifest.range.timeline} ${listing.manifest.range.end}` : '',
      );
    const remove = (change: object = {}) =>
      database.asSystem('test', (transaction) =>
        application.get(LogsService).remove(transaction, {
          organization,
          repository: made.id,
          stream: 'stream_1',
          timeline: 1,
          start: '0/0',
          end: lsn(3),
          ...change,
        }),
      );
    const answers = () => sent.filter((message) => message.name === 'log.removed.v1').map(({ payload }) => payload);
    sent.length = 0;
    await remove();
    expect(await ranges()).toEqual([`1 ${lsn(4)}`, `2 ${lsn(2)}`]);
    await remove();
    const told = { organization, stream: 'stream_1', timeline: 1, end: lsn(3) };
    expect(answers()).toEqual([
      { ...told, removed: 2 },
      { ...told, removed: 0 },
    ]);
    sent.length = 0;
    await remove({ organization: stranger.organization, end: lsn(9) });
    expect(answers()).toMatchObject([{ error: { code: 'not_found' } }]);
    expect(await ranges()).toHaveLength(2);
    expect(await Array.fromAsync(opened.logs({ stream: 'stream_1', trash: true }))).toHaveLength(2);
  });
});
