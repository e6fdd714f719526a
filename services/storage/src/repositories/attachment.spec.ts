import { randomBytes } from 'node:crypto';
import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openBlobStore } from '@rahat/blob-store-registry';
import { newId, type Principal } from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import { openServiceDatabase, provisionDatabase, type ServiceDatabase } from '@rahat/persistence';
import { codeLine, createRepository, openRepository, type Repository } from '@rahat/repository';
import { createSecretBox } from '@rahat/secrets';
import { startTestApplication, type TestApplication } from '@rahat/service-kit/testing';
import { startPostgresql, type PostgresqlServer } from '@rahat/test-servers';
import { configSchema, migrations, StorageModule } from '../index.js';
import { FACTS } from '../testing/snapshot-facts.js';

const PASSPHRASE = 'passphrase of another installation';
const CHEAP_KDF = { memoryKib: 8, passes: 1, parallelism: 1 };
const admin: Principal = {
  kind: 'user',
  subject: newId('user'),
  name: 'Ada',
  organization: newId('organization'),
  role: 'admin',
  scopes: ['*'],
  serverGroups: null,
  address: '127.0.0.1',
  requestId: 'request_1',
};
const stranger: Principal = { ...admin, organization: newId('organization') };

let home: string;
let server: PostgresqlServer;
let database: ServiceDatabase;
let application: TestApplication;
const sent: unknown[] = [];
const outbox: Outbox = {
  command: async (_transaction, _queue, name, payload) => void sent.push({ name, payload }),
  event: async (_transaction, name, payload) => void sent.push({ name, payload }),
};

beforeAll(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'rahat-attach-'));
  await mkdir(path.join(home, 'data', 'keys'), { recursive: true });
  server = await startPostgresql({ major: 15 });
  const { serviceUrls } = await provisionDatabase({
    adminUrl: server.connectionString(),
    services: [{ name: 'storage', password: 'pw' }],
  });
  database = await openServiceDatabase({ url: serviceUrls['storage']!, service: 'storage', migrations, poolSize: 5 });
  const config = configSchema.parse({ RAHAT_DATA_FOLDER: path.join(home, 'data') });
  application = await startTestApplication((runtime) =>
    StorageModule.register({
      runtime: { ...runtime, service: 'storage', database, outbox },
      config,
      secretBox: createSecretBox(randomBytes(32)),
    }),
  );
});
afterAll(async () => {
  await application?.close();
  await database?.close();
  await server?.[Symbol.asyncDispose]();
  await rm(home, { recursive: true, force: true });
});

const call = (method: string, url: string, body?: unknown, as: Principal = admin) => application.call(method, url, { body, as });
const attach = (body: object, as = admin) => call('POST', '/api/v2/repositories/attach', body, as);
const passphrase = { type: 'passphrase', passphrase: PASSPHRASE };

async function backUp(repository: Repository, snapshot: string): Promise<void> {
  await using session = await repository.beginWriting({ writer: 'worker-of-before' });
  const object = await session.writeObject(
    { key: 'rows/public/orders', kind: 'rows', order: 1, class: 'rows' },
    (async function* () {
      yield Buffer.from(snapshot);
    })(),
  );
  await session.commit(snapshot, FACTS, [object]);
}

let places = 0;
/** A repository that this installation never saw, on a storage that it has. */
async function foundRepository(snapshots: string[] = ['snapshot-1'], as = admin) {
  const folder = path.join(home, `place-${++places}`);
  await mkdir(folder);
  const repository = await createRepository(await openBlobStore({ driver: 'local', path: folder }, 'rahat'), {
    passphrase: PASSPHRASE,
    kdf: CHEAP_KDF,
  });
  for (const snapshot of snapshots) await backUp(repository, snapshot);
  const added = await call('POST', '/api/v2/storages', { name: `place ${places}`, settings: { driver: 'local', path: folder } }, as);
  return { folder, repository, name: `found ${places}`, storage: added.body.id as string };
}

describe('a repository that another installation made', () => {
  it('is attached with its passphrase, told with what it holds and who wrote it, and given to runs', async () => {
    const { repository, storage, name } = await foundRepository(['snapshot-1', 'snapshot-2']);
    const before = Date.now();
    const attached = await attach({ name, storage, prefix: 'rahat', wayIn: passphrase });
    expect(attached).toMatchObject({
      status: 201,
      body: {
        name,
        repositoryId: repository.id,
        snapshots: 2,
        unreadable: [],
        sessions: [],
        writers: [{ writer: 'worker-of-before', organization: 'organization_before' }],
      },
    });
    expect(Date.parse(attached.body.attachedAt)).toBeGreaterThan(before - 60_000);
    const grant = await call(
      'POST',
      `/internal/v1/repositories/${attached.body.id}/grant`,
      { repository: attached.body.id, power: 'write-only' },
      application.service('scheduler', admin.organization),
    );
    const store = await openBlobStore(grant.body.storage, grant.body.prefix);
    const opened = await openRepository(store, { type: 'write-only', credential: grant.body.credential.writeOnly });
    expect(opened.id).toBe(repository.id);
    expect(await repository.check({ level: 'read-data' })).toMatchObject({ healthy: true, problems: [] });
    expect(JSON.stringify(sent)).toContain('repository.attached');
  });

  it('is attached with its recovery key, or with shares of one', async () => {
    const { repository, storage, name } = await foundRepository();
    const { handout } = await repository.keys.add({ type: 'recovery', label: 'paper' });
    if (handout.type !== 'recovery') throw new Error(handout.type);
    const wayIn = { type: 'recovery', recoveryKey: codeLine(handout.key) };
    expect(await attach({ name, storage, prefix: 'rahat', wayIn })).toMatchObject({ status: 201, body: { repositoryId: repository.id } });

    const other = await foundRepository();
    const added = await other.repository.keys.add({ type: 'shares', label: 'board', threshold: 2, count: 3 });
    if (added.handout.type !== 'shares') throw new Error(added.handout.type);
    const [first, second] = added.handout.shares.map(codeLine);
    const withShares = (shares: (string | undefined)[]) =>
      attach({ name: other.name, storage: other.storage, prefix: 'rahat', wayIn: { type: 'shares', shares } });
    expect(await withShares([first])).toMatchObject({ status: 403, body: { code: 'repository_wrong_key' } });
    expect(await withShares([first, second])).toMatchObject({ status: 201 });
  });

  it('that somebody writes to is attached all the same, and its sessions are told', async () => {
    const { repository, storage, name } = await foundRepository();
    await using _session = await repository.beginWriting({ writer: 'worker-that-lives' });
    const { status, body } = await attach({ name, storage, prefix: 'rahat', wayIn: passphrase });
    expect([status, body.sessions]).toMatchObject([201, [{ kind: 'writer', holder: 'worker-that-lives' }]]);
  });

  it('is refused with another passphrase, with none there, with another format, and where it cannot be read', async () => {
    const { storage, name, folder } = await foundRepository();
    const files = await readdir(folder, { recursive: true });
    const wrong = { type: 'passphrase', passphrase: 'not this one' };
    expect(await attach({ name, storage, prefix: 'rahat', wayIn: wrong })).toMatchObject({
      status: 403,
      body: { code: 'repository_wrong_passphrase' },
    });
    expect(await attach({ name, storage, prefix: 'empty', wayIn: passphrase })).toMatchObject({
      status: 404,
      body: { code: 'repository_not_found' },
    });
    for (const prefix of ['..', '.', 'a/b', '']) expect((await attach({ name, storage, prefix, wayIn: passphrase })).status).toBe(422);
    expect((await attach({ name, storage, prefix: 'rahat', wayIn: { type: 'sealed' } })).status).toBe(422);
    expect((await readdir(folder, { recursive: true })).sort()).toEqual(files.sort());

    await cp(path.join(folder, 'rahat'), path.join(folder, 'newer'), { recursive: true });
    await writeFile(path.join(folder, 'newer', 'rahat.json'), '{"format":2,"id":"00"}');
    const newer = await attach({ name, storage, prefix: 'newer', wayIn: passphrase });
    expect(newer.body.code).toMatch(/^repository_(unsupported|damaged)$/);

    await cp(path.join(folder, 'rahat'), path.join(folder, 'broken'), { recursive: true });
    for (const snapshot of await readdir(path.join(folder, 'broken', 'snapshots')))
      await writeFile(path.join(folder, 'broken', 'snapshots', snapshot), 'noise');
    const broken = await attach({ name, storage, prefix: 'broken', wayIn: passphrase });
    expect(broken.body).toMatchObject({ code: 'repository_damaged', detail: expect.stringContaining('snapshot-1') });
    expect((await call('GET', '/api/v2/repositories?limit=200')).body.data.map((row: { name: string }) => row.name)).not.toContain(name);
  });

  it('is attached once, also as a copy, by two at once, and by another organization', async () => {
    const { storage, name, folder } = await foundRepository();
    await cp(path.join(folder, 'rahat'), path.join(folder, 'copy'), { recursive: true });
    const answers = await Promise.all([
      attach({ name, storage, prefix: 'rahat', wayIn: passphrase }),
      attach({ name: `${name} too`, storage, prefix: 'copy', wayIn: passphrase }),
    ]);
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409]);
    const again = await attach({ name: 'again', storage, prefix: 'copy', wayIn: passphrase });
    expect(again).toMatchObject({ status: 409, body: { code: 'repository_exists' } });

    const theirs = path.join(home, 'theirs');
    await cp(folder, theirs, { recursive: true });
    const added = await call('POST', '/api/v2/storages', { name: 'theirs', settings: { driver: 'local', path: theirs } }, stranger);
    const refused = await attach({ name: 'theirs', storage: added.body.id, prefix: 'rahat', wayIn: passphrase }, stranger);
    expect(refused).toMatchObject({ status: 409, body: { code: 'repository_exists' } });
    expect(JSON.stringify(refused.body)).not.toContain(name);
    expect((await attach({ name: 'not ours', storage, prefix: 'rahat', wayIn: passphrase }, stranger)).status).toBe(404);
    expect(
      (await attach({ name, storage, prefix: 'rahat', wayIn: passphrase }, { ...admin, role: 'viewer', scopes: ['storage:read'] })).status,
    ).toBe(403);
  });

  it('leaves nothing of what opened it behind', async () => {
    const rows = JSON.stringify(await server.query(`SELECT * FROM storage.repositories`));
    for (const place of [JSON.stringify(sent), rows, application.log()]) expect(place).not.toContain(PASSPHRASE);
  });
});
