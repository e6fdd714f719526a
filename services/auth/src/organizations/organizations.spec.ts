import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newId, type TokenPair } from '@rahat/contracts';
import { startTestAuth, type TestAuth } from '../testing/start-test-auth.js';

let auth: TestAuth;
let admin: Awaited<ReturnType<TestAuth['enter']>>;
let viewer: typeof admin;
beforeAll(async () => {
  auth = await startTestAuth();
  admin = await auth.join('admin', 'alan@example.org');
  viewer = await auth.join('viewer', 'vera@example.org');
}, 60_000);
afterAll(async () => auth?.[Symbol.asyncDispose]());

describe('the own organization', () => {
  it('is shown to every member, and renamed by those who may', async () => {
    expect((await auth.call('GET', '/api/v2/organization', undefined, viewer)).body).toMatchObject({
      id: auth.organization,
      name: 'Acme',
      members: 3,
    });
    expect((await auth.call('PATCH', '/api/v2/organization', { name: 'X' }, viewer)).status).toBe(403);
    expect((await auth.call('PATCH', '/api/v2/organization', { name: ' Acme & Sons ' }, admin)).body).toMatchObject({
      name: 'Acme & Sons',
    });
    expect(auth.acts.at(-1)).toMatchObject({
      action: 'organization.renamed',
      actor: { name: 'alan' },
      details: { before: { name: 'Acme' }, after: { name: 'Acme & Sons' } },
    });
    const before = auth.acts.length;
    expect((await auth.call('PATCH', '/api/v2/organization', { name: 'Acme & Sons' }, admin)).status).toBe(200);
    expect(auth.acts).toHaveLength(before);
  });

  it.each<[path: string, first: object, second: object]>([
    ['/api/v2/organization', { name: 'Acme & Sons' }, { name: 'Two' }],
    ['/api/v2/organization/security', { signOnCountsAsSecondFactor: false }, { signOnCountsAsSecondFactor: true }],
  ])('is edited at %s by exactly one of two who saw the same', async (path, first, second) => {
    const { owner, application } = auth;
    const call = (method: string, body?: object, headers = {}) => application.call(method, path, { body, headers, as: owner });
    const tag = async () => (await call('GET')).headers.get('etag')!;
    expect((await call('PATCH', second)).status).toBe(200);
    const seen = await tag();
    expect((await call('GET', undefined, { 'if-none-match': seen })).status).toBe(304);
    const edited = await call('PATCH', first, { 'if-match': seen });
    expect(edited).toMatchObject({ status: 200, body: first });
    expect(edited.headers.get('etag')).toBe(await tag());
    expect(await call('PATCH', second, { 'if-match': seen })).toMatchObject({ status: 412, body: { code: 'precondition_failed' } });
    expect((await call('GET')).body).toMatchObject(first);
  });

  it('takes no member that a client may not set', async () => {
    for (const body of [{ name: 'a', id: 'org_x' }, { name: '' }, { name: '  ' }, { name: 'a\u0000b' }, { name: 'x'.repeat(101) }, {}])
      expect((await auth.call('PATCH', '/api/v2/organization', body, auth.owner)).status).toBe(422);
  });
});

describe('roles', () => {
  it('say what they may do, and an admin may all but what is the owner’s', async () => {
    const { data } = (await auth.call('GET', '/api/v2/roles', undefined, viewer)).body;
    const scopesOf = (wanted: string) => data.find(({ role }: { role: string }) => role === wanted).scopes;
    expect(data.map(({ role }: { role: string }) => role)).toEqual(['owner', 'admin', 'operator', 'viewer', 'auditor']);
    expect(scopesOf('owner')).toEqual(['*']);
    expect(scopesOf('admin')).toEqual(
      expect.arrayContaining(['user:write', 'organization:write', 'audit:read', 'dead-letter:write', 'storage:write']),
    );
    for (const scope of ['*', 'organization:create']) expect(scopesOf('admin')).not.toContain(scope);
    expect(scopesOf('auditor')).toContain('user:read');
    expect(scopesOf('viewer')).not.toContain('user:read');
  });
});

describe('further organizations', () => {
  it('are made by owners alone: their owner may use what lies on the machine', async () => {
    for (const as of [admin, viewer]) expect((await auth.call('POST', '/api/v2/organizations', { name: 'Mine' }, as)).status).toBe(403);
    // Told to be an owner by a principal of a moment ago.
    expect((await auth.call('POST', '/api/v2/organizations', { name: 'Mine' }, { ...viewer, role: 'owner', scopes: ['*'] })).status).toBe(
      403,
    );
    const key = { ...auth.owner, kind: 'api-key' as const, subject: newId('apiKey') };
    expect((await auth.call('POST', '/api/v2/organizations', { name: 'Mine' }, key)).status).toBe(403);
  });

  it('are entered by a session, which gets new proofs; the old ones end', async () => {
    const made = await auth.call('POST', '/api/v2/organizations', { name: 'Beta' }, auth.owner);
    expect(made).toMatchObject({ status: 201, body: { name: 'Beta', members: 1 } });
    const beta = made.body.id as string;
    const response = await auth.logIn('ada@example.org');
    const cookie = response.headers.get('set-cookie')!.split(/[=;]/)[1]!;
    const before = await auth.enter('ada@example.org');
    const session = (await auth.authenticate(cookie))!;
    expect(session.organization).toBe(auth.organization);

    const entered = await auth.call('POST', '/api/v2/sessions/current/organization', { organization: beta }, before);
    expect(entered.status).toBe(200);
    expect(await auth.authenticate((entered.body as TokenPair).accessToken)).toMatchObject({
      organization: beta,
      role: 'owner',
      session: before.session,
    });
    expect(await auth.authenticate(before.accessToken)).toBeUndefined();
    expect((await auth.call('POST', '/api/v2/sessions/refresh', { refreshToken: before.refreshToken })).status).toBe(401);
    // The other session stays where it was.
    expect(await auth.authenticate(cookie)).toMatchObject({ organization: auth.organization });
    const switched = await auth.call(
      'POST',
      '/api/v2/sessions/current/organization',
      { organization: beta },
      { ...before, session: session.session },
    );
    const newCookie = switched.headers.get('set-cookie')!.split(/[=;]/)[1]!;
    expect(await auth.authenticate(cookie)).toBeUndefined();
    expect(await auth.authenticate(newCookie)).toMatchObject({ organization: beta });

    const inBeta = { ...before, organization: beta };
    expect((await auth.call('GET', '/api/v2/organizations', undefined, inBeta)).body.data).toEqual([
      { id: auth.organization, name: 'Acme & Sons', role: 'owner', current: false },
      { id: beta, name: 'Beta', role: 'owner', current: true },
    ]);
    expect((await auth.call('GET', '/api/v2/users', undefined, inBeta)).body.data.map(({ name }: { name: string }) => name)).toEqual([
      'Ada',
    ]);
    expect((await auth.enter('ada@example.org')).organization).toBe(beta);
  });

  it('are closed to everybody else', async () => {
    const { data } = (await auth.call('GET', '/api/v2/organizations', undefined, auth.owner)).body;
    const beta = data.find(({ name }: { name: string }) => name === 'Beta').id;
    expect((await auth.call('POST', '/api/v2/sessions/current/organization', { organization: beta }, admin)).status).toBe(404);
    expect((await auth.call('POST', '/api/v2/sessions/current/organization', { organization: newId('organization') }, admin)).status).toBe(
      404,
    );
    expect((await auth.call('POST', '/api/v2/sessions/current/organization', { organization: "' OR 1=1" }, admin)).status).toBe(422);
    expect((await auth.call('GET', '/api/v2/organizations', undefined, admin)).body.data).toEqual([
      { id: auth.organization, name: 'Acme & Sons', role: 'admin', current: true },
    ]);
    const key = { ...auth.owner, kind: 'api-key' as const, subject: newId('apiKey') };
    expect((await auth.call('GET', '/api/v2/organizations', undefined, key)).body.data).toHaveLength(1);
    // A stranger's session cannot be moved by naming it.
    expect(
      (
        await auth.call(
          'POST',
          '/api/v2/sessions/current/organization',
          { organization: auth.organization },
          { ...viewer, session: admin.session },
        )
      ).status,
    ).toBe(401);
  });

  it('see no users but their own members, by whatever query', async () => {
    const stranger = await auth.database.inOrganization(newId('organization'), (transaction) => transaction.query(`SELECT * FROM users`));
    expect(stranger).toEqual([]);
    const { data } = (await auth.call('GET', '/api/v2/organizations', undefined, auth.owner)).body;
    const beta = data.find(({ name }: { name: string }) => name === 'Beta').id;
    const seen = await auth.database.inOrganization(beta, (transaction) => transaction.query<{ name: string }>(`SELECT name FROM users`));
    expect(seen).toEqual([{ name: 'Ada' }]);
    await expect(
      auth.database.inOrganization(beta, (transaction) =>
        transaction.query(`INSERT INTO users (id, organization_id, email, name) VALUES ('user_x', $1, 'x@example.org', 'x')`, [
          auth.organization,
        ]),
      ),
    ).rejects.toThrow('row-level security');
  });
});
