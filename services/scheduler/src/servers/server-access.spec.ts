import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { RahatError } from '@rahat/contracts';
import { ADDRESS, PASSWORD, startTestScheduler, type TestScheduler } from '../testing/start-test-scheduler.js';

const ADMIN = { user: 'postgres', password: 'planted administrator' };

let scheduler: TestScheduler;
beforeAll(async () => {
  scheduler = await startTestScheduler();
});
afterAll(async () => scheduler?.[Symbol.asyncDispose]());

let number = 0;
let path: string;
beforeEach(async () => {
  const body = { name: `s${(number += 1)}`, address: ADDRESS, password: PASSWORD };
  path = `/api/v2/servers/${(await scheduler.call('POST', '/api/v2/servers', body)).body.id}`;
  scheduler.worker.backupUsers = [];
  scheduler.worker.backupUserRefusal = undefined;
  scheduler.worker.whileMaking = undefined;
  scheduler.told.length = 0;
});

const make = (body: object = {}, headers: Record<string, string> = {}) =>
  scheduler.application.call('POST', `${path}/backup-user`, { body: { admin: ADMIN, ...body }, headers, as: scheduler.admin });
const acts = () =>
  scheduler.told.flatMap(({ name, payload }) => (name === 'audit.recorded.v1' ? [(payload as { action: string }).action] : []));
const probedWith = async () => {
  await scheduler.call('POST', `${path}/test`);
  return scheduler.probed.at(-1)!;
};

describe('a preflight', () => {
  it('is answered by a worker with the stored credentials, and recorded', async () => {
    const { status, body } = await scheduler.call('POST', `${path}/preflight`, { databases: ['shop'] });
    expect([status, body]).toMatchObject([200, { user: ADDRESS.user, reachable: true }]);
    expect(acts()).toEqual(['server.preflighted']);
    expect((await scheduler.call('POST', `${path}/preflight`, { uses: ['logical', 'logical'] })).status).toBe(422);
  });
});

describe('a backup user', () => {
  it('is made by the administrator, and takes the place of the former user', async () => {
    const { status, body } = await make();
    expect([status, body]).toMatchObject([200, { user: 'rahat_backup', created: true, server: { address: { user: 'rahat_backup' } } }]);
    const [made] = scheduler.worker.backupUsers;
    expect(made!.admin).toMatchObject({ ...ADMIN, host: ADDRESS.host });
    expect(made!.user.password).toMatch(/^[\w-]{32}$/);
    expect(await probedWith()).toMatchObject({ user: 'rahat_backup', password: made!.user.password });

    const kept = JSON.stringify([await scheduler.sql('SELECT s::text FROM scheduler.servers s'), scheduler.told, body]);
    for (const secret of [ADMIN.password, made!.user.password, PASSWORD]) expect(kept).not.toContain(secret);
    expect(scheduler.application.log()).not.toContain('planted');
    expect(scheduler.told.map(({ payload }) => payload)).toContainEqual(
      expect.objectContaining({
        action: 'server.backup_user_made',
        details: expect.objectContaining({ user: 'rahat_backup', after: expect.objectContaining({ password: '[changed]' }) }),
      }),
    );
  });

  it('keeps its password where it is in use already', async () => {
    expect((await make({ user: ADDRESS.user })).body).toMatchObject({ created: false });
    expect(scheduler.worker.backupUsers[0]!.user.password).toBe(PASSWORD);
    expect(await probedWith()).toMatchObject({ user: ADDRESS.user, password: PASSWORD });
  });

  it('changes nothing when the worker refuses, which is recorded', async () => {
    scheduler.worker.backupUserRefusal = new RahatError('source_authentication_failed', 'no');
    expect(await make()).toMatchObject({ status: 502, body: { code: 'source_authentication_failed' } });
    expect(acts()).toEqual(['server.backup_user_failed']);
    expect(await probedWith()).toMatchObject({ user: ADDRESS.user, password: PASSWORD });
  });

  it('is not begun by who saw another server', async () => {
    expect(await make({}, { 'if-match': '"other"' })).toMatchObject({ status: 412 });
    expect(scheduler.worker.backupUsers).toEqual([]);
    const tag = (await scheduler.call('GET', path)).headers.get('etag')!;
    expect(await make({}, { 'if-match': tag })).toMatchObject({ status: 200 });
  });

  it('is taken away again when somebody changed the password meanwhile, whose change stays', async () => {
    scheduler.worker.whileMaking = () => scheduler.call('PATCH', path, { password: 'changed meanwhile' });
    expect(await make()).toMatchObject({ status: 412 });
    expect(scheduler.worker.backupUsers).toEqual([]);
    expect(acts()).toEqual(expect.arrayContaining(['server.updated', 'server.backup_user_removed']));
    expect(acts()).not.toContain('server.backup_user_made');
    expect(await probedWith()).toMatchObject({ user: ADDRESS.user, password: 'changed meanwhile' });
  });

  it.each([{ user: 'pg_mine' }, { user: 'ş'.repeat(32) }, { user: 'two\nlines' }, { uses: [] }, { admin: { user: 'postgres' } }])(
    'is refused beforehand: %j',
    async (body) => {
      expect((await make(body)).status).toBe(422);
      expect(scheduler.worker.backupUsers).toEqual([]);
    },
  );
});
