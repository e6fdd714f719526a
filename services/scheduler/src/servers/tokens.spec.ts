import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { PASSWORD, startTestScheduler, type TestScheduler } from '../testing/start-test-scheduler.js';

const HOST = 'shop.c9akciq32.eu-west-1.rds.amazonaws.com';
const URL_AT_AMAZON = `postgresql://backup@${HOST}:5432/postgres?sslmode=verify-full`;
const BY_KEY = { kind: 'aws-iam', credentials: { source: 'access-key', accessKeyId: 'AKIAPLANTED' } };
const BY_ROLE = { kind: 'aws-iam', credentials: { source: 'environment' } };
const SECRET = 'planted secret of the key';
const KEYS = { awsSecretAccessKey: SECRET };

let scheduler: TestScheduler;
beforeAll(async () => {
  scheduler = await startTestScheduler();
});
afterAll(async () => scheduler?.[Symbol.asyncDispose]());

let number = 0;
const create = (change: object) => scheduler.call('POST', '/api/v2/servers', { name: `t${(number += 1)}`, url: URL_AT_AMAZON, ...change });
const pointersOf = ({ body }: { body: { errors?: { pointer: string }[] } }) => body.errors?.map(({ pointer }) => pointer.slice(1));
const probedBy = async (path: string) => {
  await scheduler.call('POST', `${path}/test`);
  return scheduler.probed.at(-1)!;
};

describe('a server whose user logs in by tokens of Amazon', () => {
  it('needs no password; the secret of its access key reaches the worker and nobody else', async () => {
    const { status, body } = await create({ authentication: BY_KEY, keys: KEYS });
    expect([status, body]).toMatchObject([201, { address: { host: HOST, authentication: BY_KEY }, keys: ['awsSecretAccessKey'] }]);
    const path = `/api/v2/servers/${body.id}`;
    expect(await probedBy(path)).toMatchObject({ password: '', authentication: BY_KEY, awsSecretAccessKey: SECRET });
    await scheduler.call('PATCH', path, { keys: { awsSecretAccessKey: 'planted anew' } });
    expect(await probedBy(path)).toMatchObject({ awsSecretAccessKey: 'planted anew' });
    const kept = JSON.stringify(await scheduler.sql(`SELECT s::text FROM scheduler.servers s WHERE id = '${body.id}'`));
    expect(kept + JSON.stringify([(await scheduler.call('GET', path)).body, scheduler.told])).not.toContain('planted');
    expect(
      (await scheduler.call('POST', '/api/v2/servers/test', { name: 'try', url: URL_AT_AMAZON, authentication: BY_ROLE })).status,
    ).toBe(200);
    expect(scheduler.probed.at(-1)).toMatchObject({ authentication: BY_ROLE, password: '' });
  });

  it('is refused before it is saved where it could not log in', async () => {
    expect(pointersOf(await create({ authentication: BY_KEY }))).toEqual(['/keys/awsSecretAccessKey']);
    expect(pointersOf(await create({ authentication: BY_ROLE, password: PASSWORD }))).toEqual(['/password']);
    expect(pointersOf(await create({ authentication: BY_ROLE, url: URL_AT_AMAZON.replace('backup@', 'backup:pw@') }))).toEqual([
      '/password',
    ]);
    for (const mode of ['prefer', 'disable'])
      expect(pointersOf(await create({ authentication: BY_ROLE, url: URL_AT_AMAZON.replace('verify-full', mode) }))).toEqual(['/url']);
    const address = { host: 'db.example', user: 'backup', tls: 'require', authentication: BY_ROLE };
    expect(pointersOf(await create({ url: undefined, address }))).toEqual(['/address/authentication/region']);
    expect(pointersOf(await create({ url: undefined, address: { ...address, tls: 'prefer' } }))).toEqual(['/address/tls']);
    const named = { ...address, authentication: { ...BY_ROLE, region: 'eu-west-1' } };
    expect((await create({ url: undefined, address: named })).status).toBe(201);
    expect(pointersOf(await create({ authentication: { ...BY_ROLE, region: 'Ireland' } }))).toEqual(['/authentication/region']);
  });

  it('goes over to a password and back by a new address, never by half', async () => {
    const path = `/api/v2/servers/${(await create({ password: PASSWORD })).body.id}`;
    expect(pointersOf(await scheduler.call('PATCH', path, { authentication: BY_ROLE }))).toEqual(['/authentication']);
    expect((await scheduler.call('PATCH', path, { url: URL_AT_AMAZON, authentication: BY_ROLE })).status).toBe(200);
    expect(await probedBy(path)).toMatchObject({ password: '' });
    expect(pointersOf(await scheduler.call('PATCH', path, { password: PASSWORD }))).toEqual(['/password']);
    expect(pointersOf(await scheduler.call('PATCH', path, { url: URL_AT_AMAZON }))).toEqual(['/password']);
    expect((await scheduler.call('PATCH', path, { url: URL_AT_AMAZON, password: PASSWORD })).status).toBe(200);
    expect((await probedBy(path)).authentication).toBeUndefined();
  });

  it('gets no backup user with a password, and says how one is made', async () => {
    const { body } = await create({ authentication: BY_ROLE });
    const made = await scheduler.call('POST', `/api/v2/servers/${body.id}/backup-user`, { admin: { user: 'postgres', password: 'pw' } });
    expect(made).toMatchObject({ status: 409, body: { hint: expect.stringContaining('GRANT rds_iam TO "rahat_backup";') } });
    expect(scheduler.worker.backupUsers).toEqual([]);
  });

  it('stands in documents with its secret by reference', async () => {
    const document = (spec: object) => ({ apiVersion: 'rahat.io/v1alpha1', kind: 'Server', metadata: { name: 'aurora' }, spec });
    const address = { host: HOST, user: 'backup', tls: 'verify-full', authentication: BY_KEY };
    const awsSecretAccessKey = { secretRef: { env: 'AURORA_SECRET' } };
    const apply = (spec: object, secrets: object = {}) =>
      scheduler.call('POST', '/api/v2/documents/apply', { documents: [document(spec)], secrets });
    expect(pointersOf(await apply({ address }))).toEqual(['/documents/0/spec/awsSecretAccessKey']);
    expect((await apply({ address, awsSecretAccessKey })).body.detail).toContain("The secret of Server 'aurora' was not given");
    const made = await apply({ address, awsSecretAccessKey }, { 'env:AURORA_SECRET': SECRET });
    expect(made.body.changes).toMatchObject([{ action: 'create' }]);
    expect((await apply({ address, awsSecretAccessKey }, { 'env:AURORA_SECRET': SECRET })).body.changes).toMatchObject([
      { action: 'unchanged' },
    ]);
    const rotated = await apply({ address, awsSecretAccessKey }, { 'env:AURORA_SECRET': 'planted anew' });
    expect(rotated.body.changes).toMatchObject([
      { action: 'update', fields: [{ path: 'awsSecretAccessKey', before: 'kept', after: 'changed' }] },
    ]);
    const { id } = (await scheduler.call('GET', '/api/v2/servers?q=aurora')).body.data[0];
    expect(await probedBy(`/api/v2/servers/${id}`)).toMatchObject({ awsSecretAccessKey: 'planted anew' });

    const { documents } = (await scheduler.call('GET', '/api/v2/documents')).body;
    const exported = documents.find(({ metadata }: { metadata: { name: string } }) => metadata.name === 'aurora');
    expect(exported.spec).toMatchObject({ awsSecretAccessKey: { secretRef: { env: 'RAHAT_AURORA_SECRET_KEY' } } });
    expect(exported.spec.password).toBeUndefined();
    expect((await apply(exported.spec)).body.changes).toMatchObject([{ action: 'unchanged' }]);
    const role = await apply({ address: { ...address, authentication: BY_ROLE } });
    expect(role.body.changes).toMatchObject([{ action: 'update' }]);
    expect(await probedBy(`/api/v2/servers/${id}`)).toMatchObject({ authentication: BY_ROLE });
  });
});
