import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { apiKeysCreate, auditList, auditVerify, plansRetention, trashList, type Client } from '@rahat/api-client';
import { openBlobStore } from '@rahat/blob-store-registry';
import { clientOf, data } from '@rahat/demo';
import { createRepository } from '@rahat/repository';
import { readApiDocument, type Operation } from './api-document.js';
import { cliEnvironment, rahatBackup } from './cli.js';
import { untilEnded, untilRun } from './protection.js';
import { shapes, STANDALONE } from './shapes.js';
import { TRAIL_ACTIONS } from './trail-actions.js';
import { Calls } from './trail-calls.js';
import { PEOPLE_ENVIRONMENT, tellOfPeople } from './trail-of-people.js';
import { until } from './until.js';
import { openWorld, type World } from './world.js';

const PLANTED = 'planted-hook-authorization';
const PASSPHRASE = 'planted passphrase of another installation';
const CHEAP_KDF = { memoryKib: 8, passes: 1, parallelism: 1 };
const CHANGING = new Set(['POST', 'PUT', 'PATCH', 'DELETE']);

/** One organization's life, in which every request that changes something is made once. The tests follow upon each other. */
describe.each(shapes(STANDALONE))('the trail of requests ($form, $queues)', (shape) => {
  let world: World;
  let known: Map<string, Operation>;
  let nobody: Calls;
  /** Who reads where the entry of an operation stands, if not at home. */
  const readers = new Map<string, Client>();
  const secrets = [PLANTED, PASSPHRASE];

  beforeAll(async () => {
    world = await openWorld([], shape, { environment: PEOPLE_ENVIRONMENT });
    await world.source.query('CREATE TABLE things (id int)', [], 'shop');
    const { operations } = await readApiDocument(world.platform.url);
    known = new Map(operations.map((operation) => [operation.operationId, operation]));
    nobody = Calls.ofNobody(world.platform.url, known);
    secrets.push(world.connection.password, world.owner.password);
  }, 120_000);
  afterAll(async () => world[Symbol.asyncDispose]());

  const ended = (id: string) => untilEnded(world, id);
  const entryOf = (id: string, action: string) =>
    until(`the entry of ${id}`, async () => {
      const client = readers.get(id) ?? world.platform.client;
      const { data: entries } = await data(auditList({ client, query: { request: nobody.requestOf(id) } }));
      return entries.find((entry) => entry.action === action);
    });

  it('has a word for each operation that changes something', () => {
    const changing = [...known.values()].filter(({ method }) => CHANGING.has(method)).map(({ operationId }) => operationId);
    expect(changing.filter((id) => !(id in TRAIL_ACTIONS))).toEqual([]);
    expect(Object.keys(TRAIL_ACTIONS).filter((id) => !known.has(id))).toEqual([]);
  });

  it('is left by a whole life', async () => {
    const key = await data(apiKeysCreate({ client: world.platform.client, body: { name: 'story', scopes: ['*'] } }));
    const story = nobody.as(key.secret);
    const call: Calls['call'] = (...what) => story.call(...what);
    const { password, ...address } = world.connection;
    await call('servers_try', {}, { name: 'shop', address, password });
    const server = await call('servers_create', {}, { name: 'shop', address, password });
    await call('servers_test', { id: server.id });
    await call('servers_preflight', { id: server.id }, { uses: ['logical'] });
    await call('servers_update', { id: server.id }, { tags: ['a=1'], password });
    await call('servers_note', { id: server.id }, { note: 'in the cellar' });
    const atAmazon = { region: 'eu-west-1', resource: { kind: 'instance', id: 'shop' } };
    const credentials = { source: 'access-key', accessKeyId: 'AKIAPLANTED', secretAccessKey: PLANTED };
    await call('cloud_accounts_set', { server: server.id }, { ...atAmazon, credentials });
    await call('cloud_accounts_remove', { server: server.id });
    const { data: databases } = await call('databases_discover', { server: server.id });
    const shop = databases.find(({ name }: { name: string }) => name === 'shop');
    await call('databases_update', { server: server.id, id: shop.id }, { tags: ['b=2'] });
    const group = await call('server_groups_create', {}, { name: 'Europe' });
    await call('server_groups_update', { id: group.id }, { name: 'Asia' });
    await call('server_groups_delete', { id: group.id });
    const settings = { driver: 'local', path: path.join(world.folder, 'storage') };
    const storage = await call('storages_create', {}, { name: 'nas', settings });
    const repository = await call('repositories_create', {}, { name: 'nas', storage: storage.id });
    const place = await openBlobStore({ driver: 'local', path: settings.path }, 'before');
    await createRepository(place, { passphrase: PASSPHRASE, kdf: CHEAP_KDF });
    const wayIn = { type: 'passphrase', passphrase: PASSPHRASE };
    await call('repositories_attach', {}, { name: 'before', storage: storage.id, prefix: 'before', wayIn });
    const hook = { kind: 'http', name: 'tell', when: 'after_failure', url: 'http://203.0.113.1/', authorization: PLANTED };
    const outline = { databases: ['shop'], verify: [], hooks: [hook] };
    const plan = await call('plans_create', {}, { name: 'nightly', server: server.id, repository: repository.id, ...outline });
    await call('plans_update', { id: plan.id }, { retention: { keepLast: 20, keepProven: 1 } });
    await call('plans_note', { id: plan.id }, { note: 'the one' });
    await call('plans_pause', { id: plan.id }, { reason: 'a move' });
    await call('plans_resume', { id: plan.id });
    const template = await call('templates_create', {}, { name: 'small', content: { verify: [] } });
    await call('templates_update', { id: template.id }, { description: 'for small ones' });
    const second = await call(
      'templates_create_plan',
      { id: template.id },
      {
        name: 'second',
        server: server.id,
        repository: repository.id,
        databases: ['shop'],
      },
    );
    await call('templates_delete', { id: template.id });
    const search = await call('saved_searches_create', {}, { name: 'failed', list: 'runs', query: { state: 'failed' } });
    await call('saved_searches_remove', { id: search.id });
    await call('scheduling_put', {}, { blackouts: [], limits: { pools: { default: 9 }, storages: {} } });
    await call(
      'documents_apply',
      {},
      {
        documents: [{ apiVersion: 'rahat.io/v1alpha1', kind: 'ServerGroup', metadata: { name: 'Africa' } }],
      },
    );

    const { runs: first } = await call('plans_run', { id: plan.id });
    const backup = (await ended(first[0].id)).backup!;
    await call('runs_annotate', { id: first[0].id }, { note: 'the first' });
    await call('backups_annotate', { id: backup }, { tags: ['c=3'] });
    await call('backups_hold', { id: backup }, { reason: 'the law' });
    await call('backups_release', { id: backup });
    await ended((await call('backups_verify', { id: backup }, { level: 'BASIC' })).id);
    await call('repositories_list_snapshots', { id: repository.id });
    const things = { id: backup, schema: 'public', name: 'things' };
    for (const id of ['backups_ddl', 'backups_rows', 'backups_download']) await call(id, things);
    await call('backups_objects', { id: backup });
    const restorePlan = await call('restore_plans_create', {}, { backup, target: { kind: 'database', name: 'shop_again' } });
    await ended((await call('restores_run', {}, { plan: restorePlan.id, hash: restorePlan.hash })).id);
    await world.source.query('INSERT INTO things VALUES (1)', [], 'shop');
    const merge = { conflict: 'replace', schemas: ['public'] };
    const into = await call('restore_plans_create', {}, { backup, target: { kind: 'database', name: 'shop' }, merge });
    const restored = await ended((await call('restores_run', {}, { plan: into.id, hash: into.hash, confirm: 'shop' })).id);
    await ended((await call('safety_copies_end', { id: restored.id }, { action: 'undo' })).id);

    // While somebody holds its table the backup waits, and can be paused, resumed and cancelled.
    const holder = await world.source.connect('shop');
    await holder.query('BEGIN; LOCK TABLE things IN ACCESS EXCLUSIVE MODE');
    const { runs: held } = await call('plans_run', { id: second.id });
    await untilRun(world, held[0].id, ({ state }) => state === 'running');
    await call('runs_pause', { id: held[0].id });
    await call('runs_resume', { id: held[0].id });
    await call('runs_cancel', { id: held[0].id });
    await ended(held[0].id);
    await holder.end();

    // A second one, as proven as the first, which so may go.
    const { runs: again } = await call('plans_run', { id: plan.id });
    const newest = (await ended(again[0].id)).backup!;
    await ended((await call('backups_verify', { id: newest }, { level: 'BASIC' })).id);
    await ended((await call('comparisons_start', {}, { older: backup, newer: newest, schemaOnly: false })).id);
    const preview = await data(plansRetention({ client: world.platform.client, path: { id: plan.id } }));
    await call('plans_confirm_retention', { id: plan.id }, { hash: preview.hash });
    await call('backups_remove', { id: backup }, { reason: 'no longer needed' });
    const trash = async () => (await data(trashList({ client: world.platform.client, query: {} }))).data;
    await until('the backup in the trash', async () =>
      (await trash()).find((trashed) => trashed.backup === backup && trashed.state === 'trashed'),
    );
    await call('backups_bring_back', { id: backup });
    await until('an empty trash', async () => (await trash()).length === 0 || undefined);
    await call('collections_update', { repository: repository.id }, { undoDays: 30 });
    await ended((await call('collections_run', { repository: repository.id })).id);
    for (const { id } of (await call('catalog_rebuild', {}, { repository: repository.id, dryRun: true })).runs) await ended(id);

    await call('plans_delete', { id: plan.id });
    await call('plans_delete', { id: second.id });
    await call('servers_make_backup_user', { id: server.id }, { admin: { user: address.user, password } });
    await call('servers_delete', { id: server.id });
    await call('audit_retention_set', {}, { keepDays: 365 });
    await call('audit_sign_head');
    await call('audit_export');
    const people = await tellOfPeople(nobody, world.owner);
    secrets.push(...people.secrets);
    readers.set('organizations_create', clientOf(world.platform.url, people.elsewhere));
    const session = await nobody.call('sessions_create', {}, world.owner);
    const own = nobody.as(session.accessToken);
    const { id: other } = await own.call('api_keys_create', {}, { name: 'other', scopes: ['audit:read'] });
    await own.call('api_keys_revoke', { id: other });
    await nobody.call('sessions_refresh', {}, { refreshToken: session.refreshToken });
    await own.call('sessions_end');
  }, 240_000);

  it.each(Object.entries(TRAIL_ACTIONS))('has the entry of %s', async (id, declared) => {
    if (id === 'setup_create') {
      const { data: found } = await data(auditList({ client: world.platform.client, query: { action: String(declared) } }));
      expect(found).toMatchObject([{ actor: { address: '127.0.0.1' } }]);
      return;
    }
    if (typeof declared === 'object' && 'provenIn' in declared) {
      const spec = await readFile(fileURLToPath(new URL(`../../${declared.provenIn}`, import.meta.url)), 'utf8');
      expect(spec).toContain(declared.action);
      return;
    }
    expect(nobody.requestOf(id)).toMatch(/^request_/);
    if (typeof declared === 'object') {
      expect(declared.none.length).toBeGreaterThan(20);
      return;
    }
    expect(await entryOf(id, declared)).toMatchObject({
      actor: { kind: expect.stringMatching(/^(user|api-key)$/), address: '127.0.0.1' },
      request: nobody.requestOf(id),
    });
  });

  it('tells what was before and after, and of credentials only that they changed', async () => {
    expect(await entryOf('servers_update', 'server.updated')).toMatchObject({
      before: { tags: [] },
      after: { tags: ['a=1'], password: '[changed]' },
    });
    expect(await entryOf('plans_update', 'plan.updated')).toMatchObject({ after: { retention: { keepLast: 20 } } });
    expect(await entryOf('server_groups_update', 'server_group.updated')).toMatchObject({
      before: { name: 'Europe' },
      after: { name: 'Asia' },
    });
    expect(await entryOf('plans_pause', 'plan.paused')).toMatchObject({ before: { enabled: true }, after: { enabled: false } });
    expect((await entryOf('plans_delete', 'plan.deleted')).after).toBeNull();
    expect(await entryOf('organization_update', 'organization.renamed')).toMatchObject({
      before: { name: 'Demo' },
      after: { name: 'Acme' },
    });
    expect(await entryOf('organization_security_update', 'organization.security_changed')).toMatchObject({
      before: { signOnCountsAsSecondFactor: false },
      after: { signOnCountsAsSecondFactor: true },
    });
    const { before, after } = await entryOf('sign_on_providers_update', 'sign_on_provider.changed');
    expect([before, after]).toEqual([{ enabled: true }, { enabled: false, clientSecret: '[changed]' }]);
    expect(await entryOf('users_update', 'user.role_changed')).toMatchObject({ before: { role: 'operator' }, after: { role: 'viewer' } });
    expect(await entryOf('users_remove', 'user.removed')).toMatchObject({ before: { email: 'vera@example.org' }, after: null });
    expect(await entryOf('invitations_revoke', 'invitation.revoked')).toMatchObject({
      before: { state: 'open' },
      after: { state: 'revoked' },
    });
    expect(await entryOf('api_keys_create', 'api_key.created')).toMatchObject({ before: null, after: { scopes: ['audit:read'] } });
    expect(await entryOf('api_keys_revoke', 'api_key.revoked')).toMatchObject({
      before: { revokedAt: null },
      after: { revokedAt: expect.any(String) },
    });
    expect(await entryOf('passkeys_rename', 'passkey.renamed')).toMatchObject({
      before: { name: 'laptop' },
      after: { name: 'old laptop' },
    });
  });

  it('tells each use of a stored secret', async () => {
    const actions = async (action: string) =>
      (await data(auditList({ client: world.platform.client, query: { action, limit: 100 } }))).data;
    const purposes = (await actions('server.credential_used')).map(({ details }) => details['purpose']);
    expect(purposes).toEqual(expect.arrayContaining(['backup', 'restore']));
    const powers = (await actions('repository.keys_used')).map(({ details }) => details['power']);
    expect(powers).toEqual(expect.arrayContaining(['read', 'write-only']));
  });

  it('is whole, holds no secret, and is verified offline by the command line', async () => {
    const { client } = world.platform;
    expect(await data(auditVerify({ client }))).toMatchObject({ intact: true, droppedThrough: null });
    const environment = { ...(await cliEnvironment(world.platform)), HOME: world.folder };
    const cli = <T>(...args: string[]) => rahatBackup<T>(['audit', ...args], environment);
    const file = path.join(world.folder, 'trail.jsonl');
    expect((await cli('export', '--to', file)).exitCode).toBe(0);
    expect((await cli('export', '--to', file)).error?.code).toBe('conflict');
    const text = await readFile(file, 'utf8');
    expect(secrets.filter((secret) => text.includes(secret))).toEqual([]);
    const keys = path.join(world.folder, 'keys.json');
    await writeFile(keys, JSON.stringify((await cli('keys')).data));
    const offline = (...args: string[]) => rahatBackup<{ intact: boolean }>(['audit', 'verify', ...args], { HOME: world.folder });
    expect(await offline('--file', file, '--keys', keys)).toMatchObject({ exitCode: 0, data: { intact: true } });
    await writeFile(`${file}.changed`, text.replace('cellar', 'cellat'));
    expect(await offline('--file', `${file}.changed`)).toMatchObject({ exitCode: 1, data: { intact: false } });
    const [head, found, listed, shown, kept] = await Promise.all([
      cli<{ signed: string }>('head'),
      cli('search', 'cellar', '--action', 'server.annotated'),
      cli('list', '--action', 'plan.', '--limit', '2'),
      cli('show', '1'),
      cli('retention'),
    ]);
    expect(found).toMatchObject({ data: [{ after: { note: 'in the cellar' } }] });
    expect(listed).toMatchObject({ data: [{}, {}] });
    expect(shown).toMatchObject({ data: { sequence: 1 } });
    expect(kept).toMatchObject({ data: { keepDays: 365 } });
    expect(await cli('verify', '--head', head.data.signed)).toMatchObject({ exitCode: 0, data: { intact: true } });
    expect(await cli('retention', '--keep-days', '30')).toMatchObject({ exitCode: 2 });
    expect(await cli('retention', '--keep-days', 'forever')).toMatchObject({ data: { keepDays: null } });
  });
});
