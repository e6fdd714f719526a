import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newId, ROLE_SCOPES, type EventPayload, type Principal, type Role } from '@rahat/contracts';
import { openMessaging, type Messaging } from '@rahat/messaging';
import { openServiceDatabase, provisionDatabase, type ServiceDatabase } from '@rahat/persistence';
import { createSecretBox } from '@rahat/secrets';
import { startTestApplication, type TestApplication } from '@rahat/service-kit/testing';
import { startPostgresql, type PostgresqlServer } from '@rahat/test-servers';
import { AuditModule, configSchema, migrations } from './index.js';

const organization = newId('organization');
const auditor: Principal = {
  kind: 'user',
  subject: 'user_1',
  name: 'Ada',
  organization,
  role: 'auditor',
  scopes: [...ROLE_SCOPES.auditor],
  serverGroups: null,
  address: '127.0.0.1',
  requestId: 'request_1',
};
const at = '2026-11-24T00:00:00.000Z';

let server: PostgresqlServer;
let database: ServiceDatabase;
let messaging: Messaging;
let application: TestApplication;

beforeAll(async () => {
  server = await startPostgresql({ major: 18 });
  const { serviceUrls, queueUrl } = await provisionDatabase({
    adminUrl: server.connectionString(),
    services: [{ name: 'audit', password: 'pw' }],
    queue: { schema: 'bullmq', role: 'rahat_queue', password: 'pw' },
  });
  database = await openServiceDatabase({ url: serviceUrls['audit']!, service: 'audit', migrations, poolSize: 10 });
  messaging = await openMessaging({ postgresUrl: queueUrl!, prefix: 'test' });
  const outbox = messaging.outbox(database);
  application = await startTestApplication(
    (runtime) =>
      AuditModule.register({
        runtime: { ...runtime, service: 'audit', database, outbox },
        config: configSchema.parse({}),
        secretBox: createSecretBox(randomBytes(32)),
      }),
    messaging,
  );
  await database.asSystem('test', async (transaction) => {
    await outbox.event(transaction, 'organization.created.v1', { organization, name: 'Acme', at });
    await outbox.event(transaction, 'run.changed.v1', run('running'));
    await outbox.event(transaction, 'run.changed.v1', run('failed'));
    await outbox.event(transaction, 'backup.proven.v1', { organization, backup: 'backup_1', level: 'FULL', at });
    await outbox.event(transaction, 'audit.recorded.v1', {
      organization,
      actor: { kind: 'user', id: 'user_1', name: 'Ada' },
      action: 'server.created',
      target: { kind: 'server', id: 'server_1' },
      details: { password: 'planted-password' },
      at,
    });
  });
  for (let tries = 0; tries < 300 && (await actions()).length < 4; tries++) await sleep(100);
});
afterAll(async () => {
  await application?.close();
  await messaging?.close();
  await database?.close();
  await server?.[Symbol.asyncDispose]();
});

function run(state: EventPayload<'run.changed.v1'>['state']): EventPayload<'run.changed.v1'> {
  return { organization, run: 'run_1', type: 'backup', state, attempt: 1, server: 'server_1', at };
}
const call = (path: string, as?: Principal) => application.call('GET', path, { as });
const actions = async (): Promise<string[]> =>
  (await call('/api/v2/audit', auditor)).body.data.map(({ action }: { action: string }) => action);

describe('the audit service', () => {
  it('keeps what happened once each, outcomes and not the steps to them, without secrets', async () => {
    expect((await actions()).sort()).toEqual(['backup.proven', 'organization.created', 'run.failed', 'server.created']);
    const { data } = (await call('/api/v2/audit', auditor)).body;
    expect(data.find(({ action }: { action: string }) => action === 'server.created').details).toEqual({ password: '[redacted]' });
    expect((await call('/api/v2/audit/verify', auditor)).body).toMatchObject({ intact: true, entries: 4, head: data[0].hash });
    expect((await call(`/api/v2/audit/verify?head=${'ab'.repeat(32)}`, auditor)).body).toMatchObject({ intact: false, brokenAt: 5 });
    expect((await call('/api/v2/audit/verify?head=x', auditor)).status).toBe(422);
  });

  it('is read by pages with cursors of its own making only', async () => {
    const first = (await call('/api/v2/audit?limit=3', auditor)).body;
    expect((await call(`/api/v2/audit?limit=3&cursor=${first.page.nextCursor}`, auditor)).body).toMatchObject({
      data: [{ sequence: 1 }],
      page: { hasMore: false },
    });
    for (const cursor of ['2', "1' OR true", Buffer.from('x'.repeat(16) + '["audit",3]').toString('base64url')])
      expect((await call(`/api/v2/audit?cursor=${encodeURIComponent(cursor)}`, auditor)).status).toBe(422);
  });

  it('asks for a principal, for the right to read it, and shows only the own organization', async () => {
    for (const path of ['', '/verify', '/heads', '/keys', '/export', '/retention', '/entries/1'].map((rest) => `/api/v2/audit${rest}`)) {
      expect((await call(path)).status).toBe(401);
      for (const role of ['viewer', 'operator'] satisfies Role[])
        expect((await call(path, { ...auditor, role, scopes: [...ROLE_SCOPES[role]] })).status).toBe(403);
    }
    expect((await application.call('PUT', '/api/v2/audit/retention', { as: auditor, body: { keepDays: 90 } })).status).toBe(403);
    const stranger = { ...auditor, organization: newId('organization') };
    expect((await call('/api/v2/audit', stranger)).body.data).toEqual([]);
    expect((await call('/api/v2/audit/verify', stranger)).body).toMatchObject({ intact: true, entries: 0 });
  });

  it('gives the trail out as a file and its head to keep elsewhere, and takes a retention of 90 days and more', async () => {
    const owner: Principal = { ...auditor, role: 'owner', scopes: ['*'], organization: newId('organization') };
    const put = (body: unknown) => application.call('PUT', '/api/v2/audit/retention', { as: owner, body });
    for (const body of [{ keepDays: 89 }, { keepDays: '90' }, {}, { keepDays: 90, organization: 'org_x' }])
      expect((await put(body)).status).toBe(422);
    expect((await application.call('POST', '/api/v2/audit/heads', { as: owner })).status).toBe(404);
    const tag = (await call('/api/v2/audit/retention', owner)).headers.get('etag')!;
    expect((await put({ keepDays: 365 })).body).toEqual({ keepDays: 365 });
    const headers = { 'if-match': tag };
    expect((await application.call('PUT', '/api/v2/audit/retention', { as: owner, body: { keepDays: 90 }, headers })).status).toBe(412);
    expect((await call('/api/v2/audit/retention', owner)).body).toEqual({ keepDays: 365 });
    const head = (await application.call('POST', '/api/v2/audit/heads', { as: owner })).body;
    expect(head).toMatchObject({ sequence: 1 });
    expect((await call('/api/v2/audit/heads', owner)).body.data).toEqual([head]);
    expect((await call(`/api/v2/audit/verify?head=${head.signed}`, owner)).body).toMatchObject({ intact: true, signedHeads: 1 });
    expect((await call(`/api/v2/audit/verify?head=${head.signed}`, auditor)).status).toBe(422);
    const file = await application.call('GET', '/api/v2/audit/export', { as: owner });
    expect(file.headers.get('content-disposition')).toBe('attachment; filename="audit-trail.jsonl"');
    expect(
      String(file.body)
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).type),
    ).toEqual(['trail', 'entry', 'entry', 'end']);
    expect((await call('/api/v2/audit/keys', owner)).body.keys[0]).not.toHaveProperty('d');
    expect((await call('/api/v2/audit/entries/1', owner)).body).toMatchObject({
      action: 'audit.retention_changed',
      after: { keepDays: 365 },
    });
  });
});
