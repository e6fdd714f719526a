import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { RahatError, type FoundManagedSnapshot, type ManagedSnapshot, type Principal } from '@rahat/contracts';
import { ADDRESS, PASSWORD, startTestScheduler, type TestScheduler } from '../testing/start-test-scheduler.js';

const HOST = 'shop.c9akciq32.eu-west-1.rds.amazonaws.com';
const BY_KEY = { credentials: { source: 'access-key', accessKeyId: 'AKIAPLANTED', secretAccessKey: 'planted secret' } };
const BY_ROLE = { credentials: { source: 'environment' } };
const HOUR_MS = 3_600_000;

let scheduler: TestScheduler;
beforeAll(async () => {
  scheduler = await startTestScheduler();
});
afterAll(async () => scheduler?.[Symbol.asyncDispose]());

let number = 0;
let path: string;
let server: string;
const newServer = async (host = HOST, change: object = {}) =>
  (
    await scheduler.call('POST', '/api/v2/servers', {
      name: `m${(number += 1)}`,
      address: { ...ADDRESS, host },
      password: PASSWORD,
      ...change,
    })
  ).body.id as string;
beforeEach(async () => {
  server = await newServer();
  path = `/api/v2/servers/${server}`;
  scheduler.worker.managed = { resource: { kind: 'instance', id: 'shop' }, recovery: RECOVERY, snapshots: [], complete: true };
  scheduler.worker.managedRefusal = undefined;
  scheduler.told.length = 0;
  scheduler.asked.length = 0;
});

const RECOVERY = {
  engine: 'postgres',
  engineVersion: '16.3',
  status: 'available',
  retentionDays: 7,
  earliest: '2026-11-20T00:00:00.000Z',
  latest: '2026-11-27T00:00:00.000Z',
};
const snapshot = (name: string, day: number, change: Partial<FoundManagedSnapshot> = {}): FoundManagedSnapshot => ({
  reference: `arn:aws:rds:eu-west-1:1:snapshot:${name}`,
  name,
  of: 'instance',
  origin: 'automated',
  engine: 'postgres',
  engineVersion: '16.3',
  allocatedGib: 20,
  encrypted: true,
  keyId: 'arn:aws:kms:eu-west-1:1:key/k',
  status: 'available',
  createdAt: `2026-11-${String(day).padStart(2, '0')}T03:00:00.000Z`,
  ...change,
});
const holds = (...snapshots: FoundManagedSnapshot[]) => void (scheduler.worker.managed.snapshots = snapshots);
const listed = async (query = '', as?: Principal) => (await scheduler.call('GET', `${path}/managed-snapshots${query}`, undefined, as)).body;
const names = async (query = '') => ((await listed(query)).data as ManagedSnapshot[]).map(({ name }) => name);
const discover = () => scheduler.call('POST', `${path}/managed-snapshots/discover`);
const acts = () =>
  scheduler.told.flatMap(({ name, payload }) =>
    name === 'audit.recorded.v1' ? [payload as { action: string; details: object; actor: { kind: string } }] : [],
  );

describe('the cloud account of a server', () => {
  it('takes region and instance from the name that Amazon gave, and tells its secret to the worker alone', async () => {
    const put = await scheduler.call('PUT', `${path}/cloud-account`, BY_KEY);
    const account = {
      provider: 'aws',
      region: 'eu-west-1',
      resource: { kind: 'instance', id: 'shop' },
      credentials: { source: 'access-key', accessKeyId: 'AKIAPLANTED' },
    };
    expect([put.status, put.body]).toEqual([200, { server, account, answeredAt: null, error: null, recovery: null }]);
    expect((await discover()).body).toMatchObject({ account, recovery: RECOVERY, error: null });
    expect(scheduler.asked.at(-1)).toEqual({ ...account, ...BY_KEY });
    const kept = JSON.stringify([await scheduler.sql('SELECT a::text FROM scheduler.cloud_accounts a'), scheduler.told, put.body]);
    expect(kept).not.toContain('planted secret');
    const ofPeople = acts().filter(({ actor }) => actor.kind === 'user');
    expect(ofPeople.map(({ action }) => action)).toEqual(['cloud_account.set', 'server.managed_snapshots_read']);
  });

  it('is asked for what the name does not tell', async () => {
    const other = `/api/v2/servers/${await newServer('db.example')}/cloud-account`;
    const pointers = async (body: object) =>
      ((await scheduler.call('PUT', other, body)).body.errors ?? []).map((one: { pointer: string }) => one.pointer);
    expect(await pointers(BY_ROLE)).toEqual(['#/region']);
    expect(await pointers({ ...BY_ROLE, region: 'eu-west-1' })).toEqual(['#/resource']);
    expect(await pointers({ ...BY_ROLE, region: 'eu-west-1', resource: { kind: 'cluster', id: 'no name' } })).toEqual(['#/resource/id']);
    expect(await pointers({ ...BY_ROLE, region: 'evil.example/#', resource: { kind: 'cluster', id: 'c' } })).toEqual(['#/region']);
    expect(await pointers({ ...BY_ROLE, region: 'eu-west-1', resource: { kind: 'cluster', id: 'ledger' } })).toEqual([]);
    expect((await scheduler.call('POST', `${path}/managed-snapshots/discover`)).status).toBe(404);
  });
});

describe('references to snapshots at the provider', () => {
  it('are listed by pages and filters; those that vanish there are marked, and may come back', async () => {
    await scheduler.call('PUT', `${path}/cloud-account`, BY_ROLE);
    holds(snapshot('monday', 23), snapshot('tuesday', 24), snapshot('release', 25, { origin: 'manual', encrypted: false, keyId: null }));
    await discover();
    const first = await listed('?limit=2');
    expect(first.data).toMatchObject([
      { name: 'release', origin: 'manual', vanishesWithServer: false, encrypted: false, goneAt: null, server },
      { name: 'tuesday', origin: 'automated', vanishesWithServer: true, keyId: expect.stringContaining('key/k') },
    ]);
    expect(await names(`?limit=2&cursor=${first.page.nextCursor}`)).toEqual(['monday']);
    expect(await names('?origin=manual')).toEqual(['release']);

    holds(snapshot('tuesday', 24, { status: 'copying' }), snapshot('release', 25), snapshot('wednesday', 26));
    scheduler.told.length = 0;
    await discover();
    expect(acts()).toMatchObject([
      { action: 'server.managed_snapshots_read', details: { found: 3, appeared: ['wednesday'], gone: ['monday'] } },
    ]);
    expect(await names()).toEqual(['wednesday', 'release', 'tuesday', 'monday']);
    expect(await names('?gone=true')).toEqual(['monday']);
    expect(await names('?gone=false')).toEqual(['wednesday', 'release', 'tuesday']);
    expect((await listed()).data[2]).toMatchObject({ status: 'copying' });
    const [{ goneAt }] = (await listed('?gone=true')).data;
    expect(new Date(goneAt).getTime()).toBeGreaterThan(0);

    // Not all was told, so nothing is known of the others.
    holds(snapshot('monday', 23));
    scheduler.worker.managed.complete = false;
    await discover();
    expect(await names('?gone=true')).toEqual([]);
    expect((await names()).length).toBe(4);
  });

  it('stay as they are when the provider does not answer, which the account tells', async () => {
    await scheduler.call('PUT', `${path}/cloud-account`, BY_ROLE);
    holds(snapshot('monday', 23));
    await discover();
    scheduler.worker.managedRefusal = new RahatError('cloud_refused', 'Amazon does not tell', { hint: 'Allow it.' });
    expect(await discover()).toMatchObject({ status: 502, body: { code: 'cloud_refused' } });
    expect((await scheduler.call('GET', `${path}/cloud-account`)).body).toMatchObject({
      error: { code: 'cloud_refused', message: 'Amazon does not tell', hint: 'Allow it.' },
      recovery: RECOVERY,
    });
    expect(await names('?gone=false')).toEqual(['monday']);
    scheduler.worker.managedRefusal = undefined;
    expect((await discover()).body.error).toBeNull();
  });

  it('are asked for by the scheduler itself, every hour', async () => {
    await scheduler.call('PUT', `${path}/cloud-account`, BY_ROLE);
    holds(snapshot('monday', 23));
    await scheduler.eventually(async () => (await names()).length === 1);
    expect(acts().find(({ action }) => action === 'server.managed_snapshots_read')).toMatchObject({ actor: { kind: 'system' } });
    const asked = () => scheduler.asked.filter(({ resource }) => resource.id === 'shop').length;
    const before = asked();
    await scheduler.tick();
    await scheduler.tick();
    expect(asked()).toBe(before);
    holds(snapshot('tuesday', 24));
    scheduler.clock.advance(HOUR_MS + 1000);
    await scheduler.eventually(async () => (await names('?gone=true')).includes('monday'));
  });

  it('are forgotten with the account, and when it is of another instance; an answer for the former one comes too late', async () => {
    await scheduler.call('PUT', `${path}/cloud-account`, BY_ROLE);
    holds(snapshot('monday', 23));
    await discover();
    await scheduler.call('PUT', `${path}/cloud-account`, BY_KEY);
    expect(await names()).toEqual(['monday']);
    scheduler.worker.whileAsked = () =>
      scheduler.call('PUT', `${path}/cloud-account`, { ...BY_ROLE, resource: { kind: 'instance', id: 'crm' } });
    expect(await discover()).toMatchObject({ status: 412 });
    scheduler.worker.whileAsked = undefined;
    expect(await names()).toEqual([]);
    await discover();
    expect((await scheduler.call('DELETE', `${path}/cloud-account`)).status).toBe(204);
    expect([(await scheduler.call('GET', `${path}/cloud-account`)).body.account, await names()]).toEqual([null, []]);
    expect((await scheduler.call('DELETE', `${path}/cloud-account`)).status).toBe(404);
  });

  it('exist for nobody who does not see the server, also in the database itself', async () => {
    const group = (await scheduler.call('POST', '/api/v2/server-groups', { name: 'theirs' })).body.id as string;
    await scheduler.call('PATCH', path, { groups: [group] });
    await scheduler.call('PUT', `${path}/cloud-account`, BY_ROLE);
    holds(snapshot('monday', 23));
    await discover();
    const limited: Principal = { ...scheduler.admin, serverGroups: ['group_other'] };
    for (const [method, what, body] of [
      ['GET', 'cloud-account'],
      ['PUT', 'cloud-account', BY_ROLE],
      ['DELETE', 'cloud-account'],
      ['GET', 'managed-snapshots'],
      ['POST', 'managed-snapshots/discover'],
    ] as const)
      expect((await scheduler.call(method, `${path}/${what}`, body, limited)).status).toBe(404);
    const seen = (of: Principal) =>
      scheduler.database.inOrganization(of, async (transaction) => [
        (await transaction.query(`SELECT 1 FROM managed_snapshots WHERE server_id = $1`, [server])).length,
        (await transaction.query(`SELECT 1 FROM cloud_accounts WHERE server_id = $1`, [server])).length,
      ]);
    expect(await seen(limited)).toEqual([0, 0]);
    expect(await seen({ ...limited, serverGroups: [group] })).toEqual([1, 1]);
    expect(await seen({ ...scheduler.admin, organization: 'org_other' })).toEqual([0, 0]);
    expect((await listed('', { ...limited, serverGroups: [group] })).data).toHaveLength(1);
  });
});
