import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { exportSPKI, generateKeyPair, type JWTPayload } from 'jose';
import type { Principal, SignOnProvider } from '@rahat/contracts';
import { OutgoingClient } from '@rahat/service-kit';
import { startAuthWorld, type AuthWorld } from '../testing/auth-world.js';
import { PASSWORD } from '../testing/start-test-auth.js';
import { IdentityProviders } from './identity-provider.js';
import { CLIENT, startForgedProvider, startRealProvider, type ForgedProvider, type RealProvider } from '../testing/identity-providers.js';

const PUBLIC = 'https://backup.example.org';

let world: AuthWorld;
let real: RealProvider;
let forged: ForgedProvider;
let owner: Principal;
beforeAll(async () => {
  world = await startAuthWorld({ RAHAT_PUBLIC_URL: PUBLIC, RAHAT_OUTGOING_ALLOW: '127.0.0.1' });
  owner = await world.principal(await world.addUser({ email: 'owner@example.org' }));
  [real, forged] = [await startRealProvider(), await startForgedProvider()];
});
afterAll(async () => {
  real?.[Symbol.dispose]();
  forged?.[Symbol.dispose]();
  await world?.[Symbol.asyncDispose]();
});
beforeEach(() => world.forgetFailures());

const create = (change: object = {}, as = owner) =>
  world.call(
    'POST',
    '/api/v2/sign-on-providers',
    {
      name: 'Acme SSO',
      issuer: real.issuer,
      clientId: CLIENT.id,
      clientSecret: CLIENT.secret,
      roles: [
        { group: 'dba', role: 'admin' },
        { group: 'readers', role: 'viewer' },
      ],
      createsUsers: true,
      ...change,
    },
    as,
  );
const provider = async (change: object = {}, as = owner) => {
  const made = await create(change, as);
  expect(made.status).toBe(201);
  return made.body as SignOnProvider;
};

interface Begun {
  location: string;
  cookie: string;
}
async function get(path: string, cookie = '') {
  const response = await fetch(world.application.url + path, { redirect: 'manual', headers: { cookie } });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === '' ? undefined : JSON.parse(text) };
}
async function begin(of: SignOnProvider): Promise<Begun> {
  const started = await get(`/api/v2/sign-on/${of.id}/start`);
  expect(started.status).toBe(302);
  expect(started.headers.get('set-cookie')).toMatch(
    /^rahat_sign_on=[\w-]{43}; Path=\/api\/v2\/sign-on; Max-Age=600; HttpOnly; SameSite=Lax; Secure$/,
  );
  return { location: started.headers.get('location')!, cookie: started.headers.get('set-cookie')!.split(';')[0]! };
}
const comeBack = (to: URL, cookie: string) => get(to.pathname + to.search, cookie);
async function signOn(of: SignOnProvider, account: string) {
  const { location, cookie } = await begin(of);
  return comeBack(await real.walk(location, account), cookie);
}
async function principalOf(response: { headers: Headers }): Promise<Principal> {
  const session = response.headers.getSetCookie().find((line) => line.startsWith('rahat_session='));
  return world.principalOf(session!.split(/[=;]/)[1]!);
}
let people = 0;
function person(change: object = {}): string {
  const id = `person-${++people}`;
  real.accounts.set(id, { email: `${id}@example.org`, email_verified: true, name: 'Grace', groups: ['readers'], ...change });
  return id;
}

describe('a sign-on', () => {
  it('makes a session by PKCE, a state and a nonce, and a user with the role of their group', async () => {
    const of = await provider();
    const { location } = await begin(of);
    const query = new URL(location).searchParams;
    expect(Object.fromEntries(query)).toMatchObject({
      response_type: 'code',
      code_challenge_method: 'S256',
      redirect_uri: `${PUBLIC}/api/v2/sign-on/${of.id}/callback`,
      scope: 'openid email profile',
    });
    for (const name of ['state', 'nonce', 'code_challenge']) expect(query.get(name)).toMatch(/^[\w-]{43}$/);

    const account = person();
    const back = await signOn(of, account);
    expect([back.status, back.headers.get('location')]).toEqual([302, '/']);
    const principal = await principalOf(back);
    expect(principal).toMatchObject({ name: 'Grace', role: 'viewer', organization: world.organization });
    expect(world.acts.slice(-2)).toMatchObject([
      { action: 'user.created', details: { provider: 'Acme SSO', role: 'viewer' } },
      { action: 'session.started', details: { method: 'sign-on' } },
    ]);
    expect((await world.call('POST', '/api/v2/sessions', { email: `${account}@example.org`, password: PASSWORD })).status).toBe(401);
  });

  it('gives the role that the groups give now, up and down, and lets nobody in who lost them', async () => {
    const of = await provider();
    const account = person();
    const first = await principalOf(await signOn(of, account));
    for (const [groups, role] of [
      [['dba', 'readers'], 'admin'],
      ['readers', 'viewer'],
    ] as const) {
      real.accounts.set(account, { ...real.accounts.get(account), groups });
      const now = await principalOf(await signOn(of, account));
      expect([now.subject, now.role]).toEqual([first.subject, role]);
    }
    expect(world.acts.filter(({ action, target }) => action === 'user.role_changed' && target.id === first.subject)).toHaveLength(2);
    for (const groups of [['strangers'], [], undefined, { dba: true }]) {
      real.accounts.set(account, { ...real.accounts.get(account), groups });
      expect(await signOn(of, account)).toMatchObject({ status: 401, body: { code: 'sign_on_failed' } });
    }
  });

  it('keeps to the server groups that go with the groups now, and lifts the limit as they say', async () => {
    const acme = { group: 'acme', role: 'viewer', serverGroups: ['group_acme'] };
    const of = await provider({
      roles: [acme, { group: 'staff', role: 'viewer' }, { group: 'ops', role: 'operator', serverGroups: ['group_eu'] }],
    });
    const account = person();
    for (const [groups, role, serverGroups] of [
      [['acme'], 'viewer', ['group_acme']],
      [['acme', 'ops'], 'operator', ['group_eu']],
      [['acme', 'staff'], 'viewer', null],
      [['acme'], 'viewer', ['group_acme']],
    ] as const) {
      real.accounts.set(account, { ...real.accounts.get(account), groups });
      expect(await principalOf(await signOn(of, account))).toMatchObject({ role, serverGroups });
    }
    expect(world.acts.findLast(({ action }) => action === 'user.role_changed')?.details).toMatchObject({
      before: { serverGroups: null },
      after: { serverGroups: ['group_acme'] },
    });
  });

  it('links a user who was added before by a verified e-mail of the same organization, and no other', async () => {
    const of = await provider({ createsUsers: false });
    const local = await world.addUser({ role: 'operator' });
    const linked = await principalOf(await signOn(of, person({ email: local.email.toUpperCase() })));
    expect([linked.subject, linked.role]).toEqual([local.id, 'viewer']);

    const refusals: [string, string][] = [
      ['unverified', person({ email: (await world.addUser({ role: 'viewer' })).email, email_verified: false })],
      ['said to be verified in words', person({ email: (await world.addUser({ role: 'viewer' })).email, email_verified: 'true' })],
      ['without an address', person({ email: undefined })],
      ['not added', person()],
      ['of another organization', person({ email: (await world.addUser({ organization: await world.addOrganization('Other') })).email })],
      ['an owner', person({ email: 'owner@example.org', groups: ['dba'] })],
      ['an address that was given to somebody else', person({ email: local.email })],
    ];
    for (const [who, account] of refusals) {
      const refused = await signOn(of, account);
      expect([who, refused.status, refused.headers.get('set-cookie')?.includes('rahat_session') ?? false]).toEqual([who, 401, false]);
    }
    expect(await world.server.query(`SELECT user_id FROM auth.sign_on_identities WHERE provider_id = $1`, [of.id])).toEqual([
      { user_id: local.id },
    ]);
  });

  it('stays in the organization of the provider, and is nothing for who belongs to others', async () => {
    const of = await provider();
    const account = person();
    const principal = await principalOf(await signOn(of, account));
    const elsewhere = await world.addOrganization('Elsewhere');
    await world.server.query(`INSERT INTO auth.memberships (organization_id, user_id, role) VALUES ($1, $2, 'viewer')`, [
      elsewhere,
      principal.subject,
    ]);
    const enter = { organization: elsewhere };
    expect((await world.call('POST', '/api/v2/sessions/current/organization', enter, principal)).status).toBe(403);
    const { deviceCode, userCode } = (await world.call('POST', '/api/v2/device-logins', { client: 'CLI' })).body;
    await world.call('POST', '/api/v2/device-logins/approve', { userCode }, principal);
    const { accessToken } = (await world.call('POST', '/api/v2/device-logins/token', { deviceCode })).body;
    const device = await world.principalOf(accessToken);
    expect((await world.call('POST', '/api/v2/sessions/current/organization', enter, device)).status).toBe(403);
    expect((await signOn(of, account)).body.detail).toContain('other organizations');
  });

  it('is for the domains that are allowed', async () => {
    const of = await provider({ emailDomains: ['Example.ORG'] });
    expect((await signOn(of, person())).status).toBe(302);
    for (const change of [{ email: 'eve@example.org.evil.net' }, { email_verified: false }, { email: 'eve@sub.example.org' }])
      expect((await signOn(of, person(change))).status).toBe(401);
  });

  it('of two at once makes one user, and lets both in', async () => {
    const of = await provider();
    const account = person();
    const lock = `hashtextextended('rahat.auth.sign-on:${account}@example.org', 0)`;
    const holder = await world.server.connect();
    await holder.query(`SELECT pg_advisory_lock(${lock})`);
    const both = Promise.all([signOn(of, account), signOn(of, account)]);
    // Neither knows of the other when it looks first.
    const waiting = `SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`;
    while ((await holder.query(waiting)).rowCount !== 2) await sleep(10);
    await holder.end();
    const subjects = await Promise.all((await both).map(async (response) => (await principalOf(response)).subject));
    expect(subjects[0]).toBe(subjects[1]);
  });

  it('asks for the second factor that a user has here, unless the organization takes it as one', async () => {
    const organization = await world.addOrganization('Strict');
    const admin = await world.principal(await world.addUser({ organization }));
    const of = await provider({}, admin);
    const account = person();
    const principal = await principalOf(await signOn(of, account));
    await world.server.query(`INSERT INTO auth.totp_factors (user_id, sealed_secret, confirmed_at) VALUES ($1, 'x', now())`, [
      principal.subject,
    ]);
    const asked = await signOn(of, account);
    expect(asked.headers.get('location')).toMatch(/^\/#challenge=rhc_[\w-]{43}&methods=totp$/);
    expect(asked.headers.get('set-cookie')).not.toContain('rahat_session=rhs_');

    await world.server.query(`DELETE FROM auth.totp_factors`);
    const set = (change: string) =>
      world.server.query(`UPDATE auth.organizations SET ${change} WHERE organization_id = $1`, [organization]);
    await set('second_factor_required = true');
    expect((await principalOf(await signOn(of, account))).mustEnrol).toBe(true);
    await set('sign_on_counts_as_second_factor = true');
    expect(await principalOf(await signOn(of, account))).toMatchObject({ role: 'viewer', scopes: expect.arrayContaining(['plan:read']) });
  });
});

describe('an answer that somebody else brings, or brings again', () => {
  it('is refused without the cookie of the browser that began, and in another one', async () => {
    const of = await provider();
    const [ours, theirs] = [await begin(of), await begin(of)];
    const answer = await real.walk(ours.location, person());
    expect((await comeBack(answer, '')).status).toBe(401);
    expect((await comeBack(answer, theirs.cookie)).status).toBe(401);
    expect((await comeBack(answer, ours.cookie)).status).toBe(302);
  });

  it('is refused a second time, after ten minutes, at another provider, and with a state of its own', async () => {
    const [of, other] = [await provider(), await provider()];
    const first = await begin(of);
    const answer = await real.walk(first.location, person());
    const twice = await Promise.all([comeBack(answer, first.cookie), comeBack(answer, first.cookie)]);
    expect(twice.map(({ status }) => status).sort()).toEqual([302, 401]);

    const late = await begin(of);
    const lateAnswer = await real.walk(late.location, person());
    await world.server.query(`UPDATE auth.sign_on_attempts SET expires_at = now() - interval '1 second'`);
    expect((await comeBack(lateAnswer, late.cookie)).status).toBe(401);

    const moved = await begin(of);
    const movedAnswer = await real.walk(moved.location, person());
    movedAnswer.pathname = `/api/v2/sign-on/${other.id}/callback`;
    expect((await comeBack(movedAnswer, moved.cookie)).status).toBe(401);

    const changed = await begin(of);
    const changedAnswer = await real.walk(changed.location, person());
    changedAnswer.searchParams.set('state', 'x'.repeat(43));
    expect((await comeBack(changedAnswer, changed.cookie)).status).toBe(401);
    expect(world.acts.at(-1)).toMatchObject({ action: 'session.refused', details: { method: 'sign-on' } });
  });

  it('is refused with a code that was spent, of somebody else, or none', async () => {
    const of = await provider();
    const first = await begin(of);
    const spent = await real.walk(first.location, person());
    expect((await comeBack(spent, first.cookie)).status).toBe(302);
    for (const change of [
      (query: URLSearchParams) => query.set('code', spent.searchParams.get('code')!),
      (query: URLSearchParams) => query.set('code', 'nonsense'),
      (query: URLSearchParams) => query.delete('code'),
      (query: URLSearchParams) => query.append('code', 'second'),
      (query: URLSearchParams) => query.set('iss', 'https://evil.net'),
      (query: URLSearchParams) => (query.delete('code'), query.set('error', 'access_denied')),
    ]) {
      const { location, cookie } = await begin(of);
      const answer = await real.walk(location, person());
      change(answer.searchParams);
      expect(await comeBack(answer, cookie)).toMatchObject({ status: 401, body: { code: 'sign_on_failed' } });
    }
  });
});

describe('a provider that forges', () => {
  let of: SignOnProvider;
  beforeAll(async () => (of = await provider({ issuer: forged.issuer })));

  async function attempt(token: (nonce: string) => Promise<string | undefined>) {
    const { location, cookie } = await begin(of);
    const query = new URL(location).searchParams;
    forged.tokenAnswer = async () => ({
      status: 200,
      body: { access_token: 'x', token_type: 'Bearer', id_token: await token(query.get('nonce')!) },
    });
    return get(`/api/v2/sign-on/${of.id}/callback?code=x&state=${query.get('state')}`, cookie);
  }
  const unsigned = (claims: JWTPayload) => {
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const now = Math.floor(Date.now() / 1000);
    return `${part({ alg: 'none' })}.${part({ iss: forged.issuer, aud: CLIENT.id, sub: 'eve', iat: now, exp: now + 300, ...claims })}.`;
  };

  it('is believed when nothing is wrong, so that the refusals below mean something', async () => {
    expect((await attempt((nonce) => forged.idToken({ nonce }))).status).toBe(302);
  });

  const forgeries: [string, (nonce: string) => Promise<string | undefined>][] = [
    ['no signature', async (nonce) => unsigned({ nonce })],
    ['an HMAC with the secret that both know', (nonce) => forged.idToken({ nonce }, { alg: 'HS256' }, Buffer.from(CLIENT.secret))],
    [
      'an HMAC with the public key',
      async (nonce) => forged.idToken({ nonce }, { alg: 'HS256' }, Buffer.from(await exportSPKI(forged.key.publicKey))),
    ],
    [
      'a key of somebody else under the same id',
      async (nonce) => forged.idToken({ nonce }, {}, (await generateKeyPair('RS256')).privateKey),
    ],
    ['a key id that it does not have', (nonce) => forged.idToken({ nonce }, { kid: '../../etc/passwd' })],
    ['another nonce', () => forged.idToken({ nonce: 'x'.repeat(43) })],
    ['no nonce', () => forged.idToken({})],
    ['another issuer', (nonce) => forged.idToken({ nonce, iss: 'https://accounts.google.com' })],
    ['another audience', (nonce) => forged.idToken({ nonce, aud: 'somebody-else' })],
    ['a token that expired', (nonce) => forged.idToken({ nonce, exp: Math.floor(Date.now() / 1000) - 120 })],
    ['a token without a subject', (nonce) => forged.idToken({ nonce, sub: undefined })],
    ['no token', async () => undefined],
    ['nonsense', async () => 'a.b.c'],
  ];
  it.each(forgeries)('is refused with %s', async (_what, token) => {
    const refused = await attempt(token);
    expect(refused).toMatchObject({ status: 401, body: { code: 'sign_on_failed' } });
    expect(refused.headers.get('set-cookie')).toBeNull();
  });

  it('is refused when it says that it is another one', async () => {
    forged.claimedIssuer = 'https://accounts.google.com';
    expect(await create({ issuer: forged.issuer })).toMatchObject({ status: 401, body: { code: 'sign_on_failed' } });
    forged.claimedIssuer = forged.issuer;
  });
});

describe('a provider that is away', () => {
  it('is told, and leaves the log-in by password open', async () => {
    const gone = await startForgedProvider();
    const of = await provider({ issuer: gone.issuer });
    const { location, cookie } = await begin(of);
    gone[Symbol.dispose]();
    const state = new URL(location).searchParams.get('state');
    expect(await get(`/api/v2/sign-on/${of.id}/callback?code=x&state=${state}`, cookie)).toMatchObject({
      status: 503,
      body: { code: 'unavailable', hint: expect.stringContaining('log in with a password') },
    });
    expect((await world.logIn(await world.addUser())).status).toBe(201);
    expect((await create({ issuer: gone.issuer })).status).toBe(503);
  });
});

describe('the providers of an organization', () => {
  it('are kept by logged-in owners and admins with a fresh proof, and never show their secret', async () => {
    const of = await provider();
    expect(of).toMatchObject({ hasClientSecret: true, startUri: `${PUBLIC}/api/v2/sign-on/${of.id}/start`, enabled: true });
    const places = [
      JSON.stringify(of),
      JSON.stringify((await world.call('GET', '/api/v2/sign-on-providers', undefined, owner)).body),
      JSON.stringify(await world.server.query(`SELECT * FROM auth.sign_on_providers`)),
      JSON.stringify(world.acts),
      world.application.log(),
    ];
    for (const place of places) expect(place.includes(CLIENT.secret)).toBe(false);

    const viewer = await world.principal(await world.addUser({ role: 'viewer' }));
    expect((await create({}, viewer)).status).toBe(403);
    expect((await create({}, { ...owner, kind: 'api-key', session: undefined })).status).toBe(403);
    expect((await create({ roles: [{ group: 'x', role: 'owner' }] })).status).toBe(422);
    expect((await create({ otherwise: 'owner' })).status).toBe(422);
    await world.server.query(`UPDATE auth.sessions SET proven_at = '-infinity' WHERE id = $1`, [owner.session!]);
    for (const [method, path, body] of [
      ['PATCH', `/api/v2/sign-on-providers/${of.id}`, { otherwise: 'admin' }],
      ['DELETE', `/api/v2/sign-on-providers/${of.id}`],
    ] as const)
      expect((await world.call(method, path, body, owner)).body.code).toBe('fresh_proof_needed');
    expect((await create()).body.code).toBe('fresh_proof_needed');
    await world.server.query(`UPDATE auth.sessions SET proven_at = now() WHERE id = $1`, [owner.session!]);
  });

  it('are changed, switched off and removed, and are nothing to another organization', async () => {
    const of = await provider();
    const patch = (change: object, as = owner) => world.call('PATCH', `/api/v2/sign-on-providers/${of.id}`, change, as);
    expect((await patch({ roles: [], otherwise: 'auditor' })).body).toMatchObject({ roles: [], otherwise: 'auditor', name: 'Acme SSO' });
    expect((await principalOf(await signOn(of, person()))).role).toBe('auditor');
    const stranger = await world.principal(await world.addUser({ organization: await world.addOrganization('Elsewhere') }));
    expect((await patch({ otherwise: 'admin' }, stranger)).status).toBe(404);
    expect((await world.call('DELETE', `/api/v2/sign-on-providers/${of.id}`, undefined, stranger)).status).toBe(404);
    expect((await world.call('GET', '/api/v2/sign-on-providers', undefined, stranger)).body.data).toEqual([]);
    await patch({ enabled: false });
    expect((await get(`/api/v2/sign-on/${of.id}/start`)).status).toBe(404);
    expect((await world.call('DELETE', `/api/v2/sign-on-providers/${of.id}`, undefined, owner)).status).toBe(204);
    expect((await get(`/api/v2/sign-on/${of.id}/start`)).status).toBe(404);
  });

  it('are not at private addresses, nor without TLS, unless the operator allows it', async () => {
    const closed = new IdentityProviders(new OutgoingClient());
    const settings = { id: 'x', clientId: 'x', clientSecret: undefined, scopes: [], groupClaim: 'groups' };
    for (const issuer of [real.issuer, 'https://127.0.0.1', 'https://169.254.169.254', 'http://example.org', 'https://[::1]'])
      await expect(closed.discover({ ...settings, issuer })).rejects.toMatchObject({ code: 'outgoing_refused' });
  });
});
