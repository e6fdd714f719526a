import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { DocumentChange, Principal } from '@rahat/contracts';
import fc from 'fast-check';
import { ADDRESS, PASSWORD, startTestScheduler, type TestScheduler } from '../testing/start-test-scheduler.js';
import { documentChanges, type ComparedDocument } from './document-changes.js';

const document = (kind: string, name: string, spec: object) => ({ apiVersion: 'rahat.io/v1alpha1', kind, metadata: { name }, spec });
const secretRef = (env: string) => ({ secretRef: { env } });
const SECRETS = { 'env:HOOK_TOKEN': 'Bearer planted', 'env:SHOP_PASSWORD': PASSWORD, 'env:VAULT_PASSPHRASE': 'correct horse battery' };
const WHOLE = [
  document('Plan', 'nightly', {
    template: 'calm',
    servers: { names: ['shop-db'], groups: ['Europe'] },
    repository: 'vault',
    databases: { include: ['s*'] },
    schedules: [{ cron: '30 2 * * *', timeZone: 'Europe/Istanbul' }],
    tags: ['team=shop'],
    source: { from: 'prefer-replica', lagSeconds: 30 },
    sourceLimits: { bytesPerSecond: 20_000_000, yieldSeconds: 30 },
    hooks: [
      { kind: 'http', name: 'tell', when: 'after_failure', url: 'https://hooks.example/shop', authorization: secretRef('HOOK_TOKEN') },
      { kind: 'script', name: 'quiet', when: 'before', script: 'quiesce.sh', args: ['shop'] },
    ],
  }),
  document('Server', 'shop-db', {
    address: { ...ADDRESS },
    password: secretRef('SHOP_PASSWORD'),
    groups: ['Europe'],
    tags: ['env=prod'],
    heavyRuns: 2,
    standbys: [{ host: 'db2.example' }],
  }),
  document('Template', 'calm', { description: 'Late and last', content: { priority: 90, jitterMinutes: 20, verify: ['BASIC'] } }),
  document('Repository', 'vault', { storage: 'cellar', passphrase: secretRef('VAULT_PASSPHRASE') }),
  document('Storage', 'cellar', { settings: { driver: 'local', path: '/cellar' } }),
  document('ServerGroup', 'Europe', { description: 'all that is near' }),
  document('Scheduling', 'organization', { blackouts: [], limits: { pools: { default: 4 }, storages: {} } }),
];

let scheduler: TestScheduler;
beforeAll(async () => {
  scheduler = await startTestScheduler();
});
afterAll(async () => scheduler?.[Symbol.asyncDispose]());

const apply = async (documents: unknown[], change: object = {}, as?: Principal) =>
  scheduler.call('POST', '/api/v2/documents/apply', { documents, secrets: SECRETS, ...change }, as);
const told = (body: { changes: DocumentChange[] }) =>
  body.changes.filter(({ action }) => action !== 'unchanged').map(({ kind, name, action }) => `${action} ${kind} ${name}`);
const CREATED = [
  'create ServerGroup Europe',
  'create Storage cellar',
  'create Repository vault',
  'create Server shop-db',
  'create Template calm',
  'create Plan nightly',
];

/** The tests follow upon each other. */
describe('documents', () => {
  it('say what they would change, and change nothing in a dry run', async () => {
    const { status, body } = await apply(WHOLE, { dryRun: true });
    expect([status, body.dryRun]).toEqual([200, true]);
    expect(told(body)).toEqual(['update Scheduling organization', ...CREATED]);
    expect((await scheduler.call('GET', '/api/v2/plans')).body.data).toEqual([]);
  });

  it('make all of it, in whatever order they come, and nothing when they are applied again', async () => {
    const { status, body } = await apply(WHOLE);
    expect([status, told(body)]).toEqual([200, ['update Scheduling organization', ...CREATED]]);
    const [plan] = (await scheduler.call('GET', '/api/v2/plans')).body.data;
    expect(plan).toMatchObject({
      name: 'nightly',
      priority: 90,
      jitterMinutes: 20,
      verify: ['BASIC'],
      databases: { include: ['s*'] },
      tags: ['team=shop'],
      source: { from: 'prefer-replica', lagSeconds: 30 },
      sourceLimits: { bytesPerSecond: 20_000_000, yieldSeconds: 30, lockWaits: null },
      schedules: [{ type: 'full', cron: '30 2 * * *', timeZone: 'Europe/Istanbul' }],
    });
    const [server] = (await scheduler.call('GET', '/api/v2/servers')).body.data;
    expect(server).toMatchObject({ name: 'shop-db', heavyRuns: 2, tags: ['env=prod'], standbys: [{ host: 'db2.example', port: 5432 }] });
    expect(plan.servers).toEqual({ servers: [server.id], groups: server.groups, tags: [] });
    for (const documents of [WHOLE, [...WHOLE].reverse()]) expect(told((await apply(documents)).body)).toEqual([]);
  });

  it('are exported so that they can be applied without a change, without any secret', async () => {
    const { documents } = (await scheduler.call('GET', '/api/v2/documents')).body;
    expect(JSON.stringify(documents)).not.toContain(PASSWORD);
    expect(JSON.stringify(documents)).not.toContain('planted');
    expect(documents.find(({ kind }: { kind: string }) => kind === 'Server').spec.password).toEqual(secretRef('RAHAT_SHOP_DB_PASSWORD'));
    expect(told((await apply(documents, { secrets: {} })).body)).toEqual([]);
    const [plan] = (await scheduler.call('GET', '/api/v2/plans')).body.data;
    expect(plan.hooks).toMatchObject([
      { name: 'tell', authorizationSet: true },
      { name: 'quiet', args: ['shop'] },
    ]);
    const { runs } = (await scheduler.call('POST', `/api/v2/plans/${plan.id}/runs`)).body;
    const attempt = await scheduler.eventually(async () => scheduler.attempts.find(({ spec }) => spec.run === runs[0].id));
    expect(attempt.secrets.hooks).toMatchObject([{ name: 'tell', authorization: 'Bearer planted' }, { name: 'quiet' }]);
    expect(JSON.stringify(attempt.spec)).not.toContain('hooks.example');
    await scheduler.until(runs[0].id, 'succeeded');
  });

  it('tell each field that they change, a password only as changed', async () => {
    const changed = WHOLE.map((one) =>
      one.kind === 'Plan'
        ? { ...one, spec: { ...one.spec, paused: true, schedules: [{ cron: '@daily' }], retention: { keepLast: 5, keepYearly: 3 } } }
        : one.kind === 'Server'
          ? { ...one, spec: { ...one.spec, password: secretRef('OTHER') } }
          : one,
    );
    const { body } = await apply(changed, { secrets: { ...SECRETS, 'env:OTHER': 'another p@ssword' } });
    expect(told(body)).toEqual(['update Server shop-db', 'update Plan nightly']);
    expect(body.changes.find(({ kind }: DocumentChange) => kind === 'Server').fields).toEqual([
      { path: 'password', before: 'kept', after: 'changed' },
    ]);
    expect(body.changes.find(({ kind }: DocumentChange) => kind === 'Plan').fields.map(({ path }: { path: string }) => path)).toEqual([
      'paused',
      'retention.keepLast',
      'retention.keepYearly',
      'schedules',
    ]);
    expect((await scheduler.call('GET', '/api/v2/plans')).body.data[0]).toMatchObject({
      enabled: false,
      retention: { keepLast: 5, keepYearly: 3 },
    });
    expect(told((await apply(changed, { secrets: { ...SECRETS, 'env:OTHER': 'another p@ssword' } })).body)).toEqual([]);
    expect(told((await apply(WHOLE, { secrets: { ...SECRETS, 'env:HOOK_TOKEN': 'Bearer other' } })).body)).toEqual([
      'update Server shop-db',
      'update Plan nightly',
    ]);
    await apply(WHOLE);
    expect(told((await apply(WHOLE)).body)).toEqual([]);
    const moved = WHOLE.map((one) => JSON.parse(JSON.stringify(one).replace('hooks.example', 'elsewhere.example')) as object);
    const { 'env:HOOK_TOKEN': _token, ...others } = SECRETS;
    expect((await apply(moved, { secrets: others })).body.detail).toBe(
      "The authorization of the hook 'tell' of Plan 'nightly' was not given",
    );
  });

  it('are refused with the place of every mistake, and before anything is done', async () => {
    const errors = async (...documents: unknown[]) => (await apply(documents)).body;
    expect(
      (await errors({ kind: 'Plan' }, document('Server', 'x', { address: ADDRESS })))?.errors.map(
        ({ pointer }: { pointer: string }) => pointer,
      ),
    ).toEqual(expect.arrayContaining(['#/documents/0/apiVersion', '#/documents/1/spec/password']));
    expect((await errors(document('Plan', 'p', { servers: { names: ['nowhere'] }, repository: 'vault' }))).detail).toBe(
      "Plan 'p' refers to the Server 'nowhere', which is neither there nor among the documents",
    );
    expect((await errors(document('Server', 'new', { address: ADDRESS, password: secretRef('NOT_SET') }))).detail).toBe(
      "The secret of Server 'new' was not given",
    );
    expect((await errors(document('Storage', 'cellar', { settings: { driver: 'local', path: '/elsewhere' } }))).detail).toBe(
      "Storage 'cellar' cannot be changed in settings.path",
    );
    expect((await errors(document('ServerGroup', 'a', {}), document('ServerGroup', 'A', {}))).errors[0].pointer).toBe('#/documents/1');
    expect((await errors(document('Server', 'x', { address: ADDRESS, password: 'in clear' }))).status).toBe(422);
    const limited: Principal = { ...scheduler.admin, role: 'operator', scopes: ['plan:write', 'server:write'] };
    expect((await apply([document('Storage', 'other', { settings: { driver: 'local', path: '/other' } })], {}, limited)).status).toBe(403);
  });

  it('take away what they do not name only when asked to, and never where data lies', async () => {
    const rest = WHOLE.filter(({ kind }) => kind === 'Scheduling');
    expect(told((await apply(rest)).body)).toEqual([]);
    expect(told((await apply(rest, { prune: true, dryRun: true })).body)).toEqual([
      'delete Plan nightly',
      'delete Template calm',
      'delete Server shop-db',
      'delete ServerGroup Europe',
    ]);
    expect((await apply(rest, { prune: true })).status).toBe(200);
    const { documents } = (await scheduler.call('GET', '/api/v2/documents')).body;
    expect(documents.map(({ kind, metadata }: { kind: string; metadata: { name: string } }) => `${kind} ${metadata.name}`).sort()).toEqual([
      'Repository main',
      'Repository vault',
      'Scheduling organization',
      'Storage cellar',
      'Storage nas',
    ]);
  });
});

describe('changes by documents', () => {
  const anyDocument: fc.Arbitrary<ComparedDocument> = fc.record({
    kind: fc.constantFrom('Scheduling', 'ServerGroup', 'Storage', 'Repository', 'Server', 'Template', 'Plan'),
    name: fc.constantFrom('a', 'B', 'c'),
    spec: fc.dictionary(fc.constantFrom('x', 'y'), fc.oneof(fc.integer(), fc.array(fc.integer()), fc.record({ deep: fc.integer() }))),
  });
  const some = fc.uniqueArray(anyDocument, { selector: ({ kind, name }) => `${kind} ${kind === 'Scheduling' ? '' : name}`, maxLength: 8 });

  it('end in what the documents say: applied, there is nothing left to change, whatever their order', () => {
    fc.assert(
      fc.property(some, some, fc.boolean(), fc.func(fc.integer()), (current, wanted, prune, order) => {
        const changes = documentChanges(current, wanted, { prune });
        const shuffled = [...wanted].sort((a, b) => order(a) - order(b));
        expect(documentChanges(current, shuffled, { prune })).toEqual(changes);
        const deleted = new Set(changes.filter(({ action }) => action === 'delete').map(({ kind, name }) => `${kind} ${name}`));
        const isWanted = (one: ComparedDocument) =>
          wanted.some(({ kind, name }) => kind === one.kind && (kind === 'Scheduling' || name === one.name));
        const after = [...current.filter((one) => !isWanted(one) && !deleted.has(`${one.kind} ${one.name}`)), ...wanted];
        expect(documentChanges(after, wanted, { prune }).filter(({ action }) => action !== 'unchanged')).toEqual([]);
      }),
    );
  });
});
