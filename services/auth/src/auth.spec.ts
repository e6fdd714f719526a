import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { newId, ROLE_SCOPES, Scope, type CreatedApiKey, type Principal, type TokenPair } from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import { openServiceDatabase, provisionDatabase, type ServiceDatabase } from '@rahat/persistence';
import { createSecretBox } from '@rahat/secrets';
import { startPostgresql, type PostgresqlServer } from '@rahat/test-servers';
import { AuthModule, configSchema, FirstStart, migrations } from './index.js';
import { SigningKeys } from './signing-keys/signing-keys.js';
import { startTestApplication, type TestApplication } from '@rahat/service-kit/testing';

const PASSWORD = 'planted-password horse battery';
const OWNER = { organization: 'Acme', name: 'Ada', email: 'ada@example.org', password: PASSWORD };

let server: PostgresqlServer;
let database: ServiceDatabase;
let application: TestApplication;
let organization: string;
let owner: Principal;
const sent: string[] = [];

beforeAll(async () => {
  server = await startPostgresql({ major: 15 });
  const { serviceUrls } = await provisionDatabase({ adminUrl: server.connectionString(), services: [{ name: 'auth', password: 'pw' }] });
  database = await openServiceDatabase({ url: serviceUrls['auth']!, service: 'auth', migrations, poolSize: 5 });
  const outbox: Outbox = {
    command: async () => undefined,
    event: async (_transaction, name, payload) => void sent.push(JSON.stringify({ name, payload })),
  };
  application = await startTestApplication((runtime) =>
    AuthModule.register({
      runtime: { ...runtime, service: 'auth', database, outbox },
      config: configSchema.parse({}),
      secretBox: createSecretBox(randomBytes(32)),
    }),
  );
  organization = await application.get(FirstStart).defaultOrganization();
});
afterAll(async () => {
  await application?.close();
  await database?.close();
  await server?.[Symbol.asyncDispose]();
});

const call = (method: string, path: string, body?: unknown, as?: Principal) => application.call(method, path, { body, as });
const authenticate = (credential: string) =>
  call('POST', '/internal/v1/authenticate', { credential, address: '10.0.0.9' }, application.service('gateway', organization));
const principal = (change: Partial<Principal> = {}): Principal => ({ ...owner, ...change });

describe('set-up', () => {
  it('makes the owner with a one-time token, and the token works once', async () => {
    const token = (await application.get(FirstStart).setupToken())!;
    const unused = (await application.get(FirstStart).setupToken())!;
    expect(token).toMatch(/^([A-Z2-9]{4}-){3}[A-Z2-9]{4}$/);
    expect(JSON.stringify(await server.query(`SELECT encode(hash, 'escape') AS hash FROM auth.setup_tokens`))).not.toContain(token);
    expect((await call('GET', '/api/v2/setup')).body).toEqual({ ownerExists: false });
    expect(await call('POST', '/api/v2/setup', { ...OWNER, token: 'AAAA-BBBB-CCCC-DDDD' })).toMatchObject({
      status: 403,
      body: { code: 'setup_token_invalid' },
    });
    expect(await call('POST', '/api/v2/setup', { ...OWNER, token, password: 'short' })).toMatchObject({ status: 422 });
    expect(await call('POST', '/api/v2/setup', { ...OWNER, token, role: 'owner' })).toMatchObject({ status: 422 });

    const [first, second] = await Promise.all([
      call('POST', '/api/v2/setup', { ...OWNER, token: token.toLowerCase() }),
      call('POST', '/api/v2/setup', { ...OWNER, token }),
    ]);
    expect([first.status, second.status].sort()).toEqual([201, 403]);
    const made = (first.status === 201 ? first : second).body as TokenPair;
    expect(await call('POST', '/api/v2/setup', { ...OWNER, token, email: 'eve@example.org' })).toMatchObject({
      status: 403,
      body: { code: 'setup_token_invalid' },
    });
    expect(await call('POST', '/api/v2/setup', { ...OWNER, token: unused, email: 'eve@example.org' })).toMatchObject({ status: 409 });
    expect(await application.get(FirstStart).setupToken()).toBeUndefined();
    expect((await call('GET', '/api/v2/setup')).body).toEqual({ ownerExists: true });

    const subject = (await authenticate(made.accessToken)).body;
    expect(subject).toMatchObject({ kind: 'user', name: 'Ada', organization, role: 'owner', scopes: ['*'] });
    owner = {
      kind: 'user',
      subject: subject.subject,
      name: 'Ada',
      organization,
      role: 'owner',
      scopes: ['*'],
      serverGroups: null,
      address: '127.0.0.1',
      requestId: newId('request'),
      session: subject.session,
    };
    expect((await call('GET', '/api/v2/me', undefined, owner)).body).toMatchObject({
      name: 'Ada',
      organization: { id: organization, name: 'Acme' },
    });
  });

  it('refuses a token older than 30 minutes', async () => {
    await server.query(`INSERT INTO auth.setup_tokens (hash, expires_at) VALUES (sha256('EXPIREDTOKEN2222'), now() - interval '1 second')`);
    expect(await call('POST', '/api/v2/setup', { ...OWNER, token: 'EXPI-REDT-OKEN-2222' })).toMatchObject({ status: 403 });
  });
});

describe('sessions', () => {
  beforeEach(() => server.query(`TRUNCATE auth.login_failures`));
  const logIn = (email = OWNER.email, password = PASSWORD) => call('POST', '/api/v2/sessions', { email, password });

  it('start by e-mail in any case, with a cookie that scripts and other sites cannot use', async () => {
    const response = await logIn('ADA@Example.org');
    expect(response.status).toBe(201);
    const cookie = response.headers.get('set-cookie')!;
    expect(cookie).toMatch(/^rahat_session=rhs_[\w-]+; Path=\/; Max-Age=2592000; HttpOnly; SameSite=Strict$/);
    expect((await authenticate(cookie.split(/[=;]/)[1]!)).body).toMatchObject({ kind: 'user', name: 'Ada' });
    expect((await authenticate(response.body.accessToken)).body).toMatchObject({ kind: 'user', name: 'Ada' });
  });

  it('tell the same about a wrong password and an unknown user', async () => {
    const [wrong, unknown] = [await logIn(OWNER.email, 'wrong'), await logIn('nobody@example.org', 'wrong')];
    for (const response of [wrong, unknown]) expect(response.status).toBe(401);
    expect({ ...wrong.body, instance: '' }).toEqual({ ...unknown.body, instance: '' });
  });

  it('make an account wait after several failures, even with the right password and many at once', async () => {
    const burst = await Promise.all(Array.from({ length: 12 }, () => logIn(OWNER.email, 'wrong')));
    expect(burst.filter((response) => response.status === 401)).toHaveLength(5);
    const refused = await logIn();
    expect(refused).toMatchObject({ status: 429, body: { code: 'rate_limited', retryable: true } });
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    await server.query(`UPDATE auth.login_failures SET blocked_until = now()`);
    expect((await logIn()).status).toBe(201);
    expect(await server.query(`SELECT failures FROM auth.login_failures WHERE subject LIKE 'account:%'`)).toEqual([]);
  });

  it('make an address wait that tries many accounts', async () => {
    let refusals = 0;
    for (let index = 0; index < 25; index++) refusals += (await logIn(`user${index}@example.org`, 'wrong')).status === 429 ? 1 : 0;
    expect(refusals).toBeGreaterThan(0);
  });

  it('end as a whole when a refresh token is used twice', async () => {
    const started = (await logIn()).body as TokenPair;
    const renewed = (await call('POST', '/api/v2/sessions/refresh', { refreshToken: started.refreshToken })).body as TokenPair;
    expect((await authenticate(renewed.accessToken)).status).toBe(200);
    expect(await call('POST', '/api/v2/sessions/refresh', { refreshToken: started.refreshToken })).toMatchObject({ status: 401 });
    for (const token of [renewed.accessToken, started.accessToken]) expect((await authenticate(token)).status).toBe(401);
    expect(await call('POST', '/api/v2/sessions/refresh', { refreshToken: renewed.refreshToken })).toMatchObject({ status: 401 });
    expect(sent.some((message) => message.includes('session.revoked'))).toBe(true);
    for (const refreshToken of ['rhr_nonsense', started.accessToken])
      expect(await call('POST', '/api/v2/sessions/refresh', { refreshToken })).toMatchObject({ status: 401 });
    expect(await call('POST', '/api/v2/sessions/refresh', {})).toMatchObject({ status: 401 });
  });

  it('end by log-out: cookie, access and refresh tokens', async () => {
    const response = await logIn();
    const cookie = response.headers.get('set-cookie')!.split(/[=;]/)[1]!;
    const { session } = (await authenticate(cookie)).body;
    expect((await call('DELETE', '/api/v2/sessions/current', undefined, principal({ session }))).status).toBe(204);
    for (const credential of [cookie, response.body.accessToken]) expect((await authenticate(credential)).status).toBe(401);
    expect((await call('POST', '/api/v2/sessions/refresh', { refreshToken: response.body.refreshToken })).status).toBe(401);
  });

  it('end by age and by idleness, and with the membership', async () => {
    const response = await logIn();
    const cookie = response.headers.get('set-cookie')!.split(/[=;]/)[1]!;
    await server.query(`UPDATE auth.sessions SET seen_at = now() - interval '13 hours'`);
    expect((await authenticate(cookie)).status).toBe(401);
    await server.query(`UPDATE auth.sessions SET seen_at = now(), expires_at = now() - interval '1 second' WHERE revoked_at IS NULL`);
    for (const credential of [cookie, response.body.accessToken]) expect((await authenticate(credential)).status).toBe(401);
  });
});

describe('access tokens', () => {
  it('of a replaced signing key stay valid, and the JWKS holds no private half', async () => {
    await server.query(`TRUNCATE auth.login_failures`);
    const { body } = await call('POST', '/api/v2/sessions', { email: OWNER.email, password: PASSWORD });
    await application.get(SigningKeys).rotate('now');
    expect((await authenticate(body.accessToken)).status).toBe(200);
    const jwks = (await call('GET', '/.well-known/jwks.json')).body;
    expect(jwks.keys).toHaveLength(2);
    for (const key of jwks.keys) expect(Object.keys(key).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y']);
    expect(JSON.stringify(await server.query(`SELECT * FROM auth.signing_keys`))).not.toContain('PRIVATE KEY');
  });
});

describe('API keys', () => {
  const create = async (change: object = {}, as = owner) =>
    call('POST', '/api/v2/api-keys', { name: 'ci', scopes: ['plan:read', 'run:write'], ...change }, as);

  it('authenticate with their scopes until they are revoked', async () => {
    const key = (await create()).body as CreatedApiKey;
    expect((await authenticate(key.secret)).body).toMatchObject({
      kind: 'api-key',
      subject: key.id,
      scopes: ['plan:read', 'run:write'],
      organization,
    });
    const listed = (await call('GET', '/api/v2/api-keys', undefined, owner)).body.data[0];
    expect(listed).toMatchObject({ id: key.id, lastUsedAt: expect.any(String), revokedAt: null });
    expect(listed).not.toHaveProperty('secret');
    expect((await call('DELETE', `/api/v2/api-keys/${key.id}`, undefined, owner)).status).toBe(204);
    expect((await authenticate(key.secret)).status).toBe(401);
    expect((await call('DELETE', `/api/v2/api-keys/${key.id}`, undefined, owner)).status).toBe(204);
  });

  it('expire', async () => {
    const key = (await create({ expiresAt: new Date(Date.now() + 60_000).toISOString() })).body as CreatedApiKey;
    expect((await authenticate(key.secret)).status).toBe(200);
    await server.query(`UPDATE auth.api_keys SET expires_at = now() WHERE id = $1`, [key.id]);
    expect((await authenticate(key.secret)).status).toBe(401);
    expect((await create({ expiresAt: '2020-01-01T00:00:00Z' })).status).toBe(422);
  });

  it('tell where they were used last, who made them, and their own limit', async () => {
    const key = (await create({ requestsPerMinute: 90 })).body as CreatedApiKey;
    expect((await authenticate(key.secret)).body).toMatchObject({ requestsPerMinute: 90 });
    expect((await call('GET', `/api/v2/api-keys/${key.id}`, undefined, owner)).body).toMatchObject({
      id: key.id,
      requestsPerMinute: 90,
      createdBy: { id: owner.subject, name: 'Ada' },
      lastUsedFrom: '10.0.0.9',
    });
    const asker = application.service('gateway', organization);
    await call('POST', '/internal/v1/authenticate', { credential: key.secret, address: '10.0.0.7' }, asker);
    expect((await call('GET', `/api/v2/api-keys/${key.id}`, undefined, owner)).body.lastUsedFrom).toBe('10.0.0.7');
    expect((await authenticate(((await create()).body as CreatedApiKey).secret)).body).not.toHaveProperty('requestsPerMinute');
    for (const requestsPerMinute of [0, -1, 1.5, 1e9, '5']) expect((await create({ requestsPerMinute })).status).toBe(422);
  });

  it('belong to who made them: others see and revoke them with the scope for it alone', async () => {
    const key = (await create()).body as CreatedApiKey;
    const colleague = principal({ subject: newId('user'), role: 'viewer', scopes: [...ROLE_SCOPES.viewer] });
    expect((await call('GET', '/api/v2/api-keys', undefined, colleague)).body.data).toEqual([]);
    for (const method of ['GET', 'DELETE'])
      expect((await call(method, `/api/v2/api-keys/${key.id}`, undefined, colleague)).status).toBe(404);
    const auditor = { ...colleague, role: 'auditor' as const, scopes: [...ROLE_SCOPES.auditor] };
    expect((await call('GET', `/api/v2/api-keys/${key.id}`, undefined, auditor)).status).toBe(200);
    expect((await call('DELETE', `/api/v2/api-keys/${key.id}`, undefined, auditor)).status).toBe(404);
    const admin = { ...colleague, role: 'admin' as const, scopes: [...ROLE_SCOPES.admin] };
    expect((await call('DELETE', `/api/v2/api-keys/${key.id}`, undefined, admin)).status).toBe(204);
    expect((await authenticate(key.secret)).status).toBe(401);
    // Who is no member any more makes none, whatever the principal says.
    expect((await create({ scopes: ['plan:read'] }, colleague)).status).toBe(403);
  });

  it('never exceed their maker, now or later', async () => {
    const admin = principal({ scopes: ['api-key:write', 'plan:read'] });
    for (const scopes of [['*'], ['plan:write'], ['plan:read', 'audit:read']]) expect((await create({ scopes }, admin)).status).toBe(403);
    const key = (await create({ scopes: ['plan:write', 'plan:read'] })).body as CreatedApiKey;
    await server.query(`UPDATE auth.memberships SET role = 'viewer'`);
    expect((await authenticate(key.secret)).body.scopes).toEqual(['plan:read']);
    await server.query(`UPDATE auth.memberships SET role = 'owner'`);
    expect((await create({}, principal({ kind: 'api-key' }))).status).toBe(403);
  });

  it('take no member that a client may not set', async () => {
    for (const extra of [
      { organization: 'org_x' },
      { organization_id: 'org_x' },
      { created_by: 'user_x' },
      { secret_hash: 'x' },
      { revokedAt: null },
      { id: 'key_x' },
      { role: 'owner' },
    ])
      expect((await create(extra)).status).toBe(422);
    expect((await create({ scopes: ['everything'] })).status).toBe(422);
  });
});

describe('every route', () => {
  const stranger = () => principal({ organization: newId('organization'), subject: newId('user') });
  const routes: [string, string, Principal['scopes']][] = [
    ['GET', '/api/v2/api-keys', []],
    ['POST', '/api/v2/api-keys', []],
    ['GET', '/api/v2/api-keys/:key', []],
    ['DELETE', '/api/v2/api-keys/:key', []],
    ['GET', '/api/v2/organization', ['organization:read']],
    ['PATCH', '/api/v2/organization', ['organization:write']],
    ['GET', '/api/v2/organizations', []],
    ['POST', '/api/v2/organizations', ['organization:create']],
    ['GET', '/api/v2/roles', ['organization:read']],
    ['GET', '/api/v2/users', ['user:read']],
    ['GET', '/api/v2/users/:user', ['user:read']],
    ['PATCH', '/api/v2/users/:user', ['user:write']],
    ['DELETE', '/api/v2/users/:user', ['user:write']],
    ['POST', '/api/v2/users/:user/reset-link', ['user:write']],
    ['GET', '/api/v2/users/:user/sessions', ['user:read']],
    ['DELETE', '/api/v2/users/:user/sessions', ['user:write']],
    ['GET', '/api/v2/invitations', ['user:read']],
    ['POST', '/api/v2/invitations', ['user:write']],
    ['DELETE', '/api/v2/invitations/:invitation', ['user:write']],
    ['GET', '/api/v2/sessions', []],
    ['DELETE', '/api/v2/sessions/others', []],
    ['DELETE', '/api/v2/sessions/:session', []],
    ['POST', '/api/v2/sessions/current/organization', []],
    ['PUT', '/api/v2/me/password', []],
    ['GET', '/api/v2/me', []],
    ['DELETE', '/api/v2/sessions/current', []],
  ];

  it("refuses a request without a principal, with a broken one, with a service's for another audience", async () => {
    for (const [method, path] of routes) {
      expect((await call(method, path)).status).toBe(401);
      expect((await application.call(method, path, { headers: { 'rahat-principal': 'eyJhbGciOiJub25lIn0.e30.' } })).status).toBe(401);
    }
    for (const as of [undefined, owner])
      expect([401, 403]).toContain((await call('POST', '/internal/v1/authenticate', { credential: 'x', address: 'x' }, as)).status);
  });

  it('refuses a weaker role', async () => {
    for (const [method, path, scopes] of routes) {
      if (scopes.length === 0) continue;
      const others = Scope.options.filter((scope) => scope !== '*' && !scopes.includes(scope));
      const weak = principal({ role: 'viewer', scopes: others });
      expect((await call(method, path, method === 'GET' ? undefined : {}, weak)).status).toBe(403);
    }
  });

  it("shows and changes nothing of another organization's", async () => {
    const key = (await call('POST', '/api/v2/api-keys', { name: 'mine', scopes: ['plan:read'] }, owner)).body as CreatedApiKey;
    expect((await call('GET', '/api/v2/api-keys', undefined, stranger())).body.data).toEqual([]);
    const { nextCursor } = (await call('GET', '/api/v2/api-keys?limit=1', undefined, owner)).body.page;
    expect((await call('GET', `/api/v2/api-keys?cursor=${nextCursor}`, undefined, stranger())).body.data).toEqual([]);
    expect((await call('GET', '/api/v2/api-keys?cursor=key_z', undefined, owner)).status).toBe(422);
    expect((await call('DELETE', `/api/v2/api-keys/${key.id}`, undefined, stranger())).status).toBe(404);
    await call('DELETE', '/api/v2/sessions/current', undefined, stranger());
    expect((await authenticate(key.secret)).status).toBe(200);
    expect((await call('GET', '/api/v2/me', undefined, stranger())).body.organization.name).not.toBe('Acme');
    for (const table of [
      'organizations',
      'users',
      'memberships',
      'sessions',
      'refresh_tokens',
      'api_keys',
      'invitations',
      'password_resets',
    ]) {
      expect(await database.inOrganization(newId('organization'), (transaction) => transaction.query(`SELECT * FROM ${table}`))).toEqual(
        [],
      );
    }
  });
});

describe('secrets', () => {
  it('stand neither in messages nor in the database nor in the log', async () => {
    await server.query(`TRUNCATE auth.login_failures`);
    const { body, headers } = await call('POST', '/api/v2/sessions', { email: OWNER.email, password: PASSWORD });
    const cookie = headers.get('set-cookie')!.split(/[=;]/)[1]!;
    const key = (await call('POST', '/api/v2/api-keys', { name: 'planted', scopes: ['plan:read'] }, owner)).body as CreatedApiKey;
    await authenticate(key.secret);
    await call('POST', '/api/v2/sessions', { email: PASSWORD, password: PASSWORD });
    const tables = await server.query<{ name: string }>(`SELECT tablename AS name FROM pg_tables WHERE schemaname = 'auth'`);
    const rows = await Promise.all(tables.map(({ name }) => server.query(`SELECT * FROM auth."${name}"`)));
    for (const secret of [PASSWORD, body.refreshToken, body.accessToken, cookie, key.secret, key.secret.split('_')[2]!]) {
      for (const place of [sent.join(), JSON.stringify(rows), application.log()]) expect(place.includes(secret)).toBe(false);
    }
  });
});
