import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ADDRESS, PASSWORD, startTestScheduler, type TestScheduler } from '../testing/start-test-scheduler.js';

const SSH = { host: 'bastion.example', user: 'backup', hostKey: `SHA256:${'a'.repeat(43)}` };
const KEYS = { tlsKey: 'key of the certificate', sshKey: 'key for the bastion' };
const URL_WITHOUT_PASSWORD = 'postgresql://backup@db.example:5432/postgres?sslmode=verify-ca';

let scheduler: TestScheduler;
beforeAll(async () => {
  scheduler = await startTestScheduler();
});
afterAll(async () => scheduler?.[Symbol.asyncDispose]());

let number = 0;
const create = (change: object) => scheduler.call('POST', '/api/v2/servers', { name: `k${(number += 1)}`, password: PASSWORD, ...change });
const pointersOf = ({ body }: { body: { errors?: { pointer: string }[] } }) => body.errors?.map(({ pointer }) => pointer.slice(1));

describe('the private keys of a connection', () => {
  it('reach the worker and nobody else, and stay while only other things change', async () => {
    const made = await create({ url: URL_WITHOUT_PASSWORD, tlsCa: 'authority', tlsCertificate: 'certificate', ssh: SSH, keys: KEYS });
    expect(made.body).toMatchObject({
      keys: ['tlsKey', 'sshKey'],
      address: { host: 'db.example', tls: 'verify-ca', tlsCa: 'authority', tlsCertificate: 'certificate', ssh: { ...SSH, port: 22 } },
    });
    const path = `/api/v2/servers/${made.body.id}`;
    await scheduler.call('PATCH', path, { tags: ['env=prod'] });
    await scheduler.call('POST', `${path}/test`);
    expect(scheduler.probed.at(-1)).toMatchObject({ ...KEYS, password: PASSWORD, ssh: SSH });

    await scheduler.call('PATCH', path, { keys: { ...KEYS, sshKey: 'another key' } });
    await scheduler.call('POST', `${path}/test`);
    expect(scheduler.probed.at(-1)).toMatchObject({ tlsKey: KEYS.tlsKey, sshKey: 'another key' });

    const kept = JSON.stringify(await scheduler.sql(`SELECT s::text FROM scheduler.servers s WHERE id = '${made.body.id}'`));
    const told = JSON.stringify((await scheduler.call('GET', path)).body);
    for (const secret of [...Object.values(KEYS), 'another key', PASSWORD]) expect(kept + told).not.toContain(secret);
  });

  it('are missed before anything is saved, and before an address is changed to one that needs them', async () => {
    expect(pointersOf(await create({ url: URL_WITHOUT_PASSWORD, ssh: SSH }))).toEqual(['/keys/sshKey']);
    expect(pointersOf(await create({ url: URL_WITHOUT_PASSWORD, tlsCertificate: 'c', keys: { sshKey: 's' } }))).toEqual(['/keys/tlsKey']);
    expect(pointersOf(await create({ address: ADDRESS, ssh: SSH, keys: KEYS }))).toEqual(['/ssh']);
    expect(pointersOf(await create({ url: URL_WITHOUT_PASSWORD, ssh: { ...SSH, hostKey: 'any' }, keys: KEYS }))).toEqual(['/ssh/hostKey']);
    const plain = await create({ address: ADDRESS });
    expect(plain.body.keys).toEqual([]);
    const path = `/api/v2/servers/${plain.body.id}`;
    expect(pointersOf(await scheduler.call('PATCH', path, { address: { ...ADDRESS, ssh: SSH } }))).toEqual(['/keys/sshKey']);
    expect((await scheduler.call('PATCH', path, { address: { ...ADDRESS, ssh: SSH }, keys: { sshKey: 's' } })).body.keys).toEqual([
      'sshKey',
    ]);
    expect(pointersOf(await scheduler.call('PATCH', path, { keys: {} }))).toEqual(['/keys/sshKey']);
  });
});
