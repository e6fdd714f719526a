import { generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { PasskeyAssertion, Principal, TokenPair } from '@rahat/contracts';
import { startAuthWorld, type AuthWorld, type TestUser } from '../testing/auth-world.js';
import { SoftwareAuthenticator, type Deviation } from '../testing/software-authenticator.js';

const ORIGIN = 'https://backup.example.org';

let world: AuthWorld;
beforeAll(async () => (world = await startAuthWorld({ RAHAT_PUBLIC_URL: `${ORIGIN}/` })));
afterAll(async () => world?.[Symbol.asyncDispose]());
beforeEach(() => world.forgetFailures());

const options = async (principal: Principal) => (await world.call('POST', '/api/v2/me/passkeys/options', {}, principal)).body.options;
const keep = (principal: Principal, passkey: object, name = 'laptop') =>
  world.call('POST', '/api/v2/me/passkeys', { name, passkey }, principal);

interface Owner {
  user: TestUser;
  principal: Principal;
  key: SoftwareAuthenticator;
  id: string;
}
async function owner(): Promise<Owner> {
  const user = await world.addUser();
  const principal = await world.principal(user);
  const key = new SoftwareAuthenticator(ORIGIN);
  const kept = await keep(principal, key.make(await options(principal)));
  expect(kept.status).toBe(201);
  return { user, principal, key, id: kept.body.id };
}

const loginOptions = async (challenge?: string) =>
  (await world.call('POST', '/api/v2/sessions/passkey/options', { challenge })).body.options;
const logInWith = (passkey: PasskeyAssertion) => world.call('POST', '/api/v2/sessions/passkey', { passkey });
const prove = (challenge: string, passkey: PasskeyAssertion) =>
  world.call('POST', '/api/v2/sessions/second-factor', { challenge, proof: { passkey } });

describe('a passkey', () => {
  it('is made for the configured site, is listed and renamed, and gives recovery codes as the first factor', async () => {
    const user = await world.addUser();
    const principal = await world.principal(user);
    const asked = await options(principal);
    expect(asked).toMatchObject({ rp: { id: 'backup.example.org' }, user: { name: user.email }, attestation: 'none' });
    const kept = await keep(principal, new SoftwareAuthenticator(ORIGIN).make(asked));
    expect(kept).toMatchObject({ status: 201, body: { name: 'laptop', lastUsedAt: null } });
    expect(kept.body.recoveryCodes).toHaveLength(10);
    const second = await keep(principal, new SoftwareAuthenticator(ORIGIN).make(await options(principal)), 'phone');
    expect(second.body.recoveryCodes).toBeNull();
    await world.call('PATCH', `/api/v2/me/passkeys/${second.body.id}`, { name: 'old phone' }, principal);
    const listed = (await world.call('GET', '/api/v2/me/passkeys', undefined, principal)).body.data;
    expect(listed.map(({ name }: { name: string }) => name)).toEqual(['laptop', 'old phone']);
    expect(Object.keys(listed[0]).sort()).toEqual(['backedUp', 'createdAt', 'id', 'lastUsedAt', 'name']);
  });

  const made: [string, Deviation][] = [
    ['another origin', { origin: 'https://backup.example.org.evil.net' }],
    ['another port', { origin: `${ORIGIN}:8443` }],
    ['another site', { rpId: 'example.org' }],
    ['a challenge of its own', { challenge: 'QUFBQUFBQUFBQUFBQUFBQUFBQUFBQQ' }],
    ['an answer to a log-in', { type: 'webauthn.get' }],
  ];
  it.each(made)('is not kept from %s', async (_what, deviation) => {
    const principal = await world.principal(await world.addUser());
    expect((await keep(principal, new SoftwareAuthenticator(ORIGIN).make(await options(principal), deviation))).status).toBe(422);
    expect((await world.call('GET', '/api/v2/me/passkeys', undefined, principal)).body.data).toEqual([]);
  });

  it('is not kept twice, for another user, or by an answer that was given before', async () => {
    const [ada, eve] = [await owner(), await world.principal(await world.addUser())];
    expect((await keep(eve, ada.key.make(await options(eve)))).status).toBe(422);
    const asked = await options(ada.principal);
    expect((await keep(eve, new SoftwareAuthenticator(ORIGIN).make(asked))).status).toBe(422);
    const answer = new SoftwareAuthenticator(ORIGIN).make(asked);
    expect((await keep(ada.principal, answer)).status).toBe(201);
    expect((await keep(ada.principal, answer)).status).toBe(422);
    expect((await world.call('DELETE', `/api/v2/me/passkeys/${ada.id}`, undefined, eve)).status).toBe(404);
    expect((await world.call('PATCH', `/api/v2/me/passkeys/${ada.id}`, { name: 'mine' }, eve)).status).toBe(404);
  });

  it('goes with a fresh proof, and with it what stood in for it', async () => {
    const { user, principal, id } = await owner();
    expect((await world.logIn(user)).status).toBe(202);
    expect((await world.call('DELETE', `/api/v2/me/passkeys/${id}`, undefined, principal)).status).toBe(204);
    expect((await world.logIn(user)).status).toBe(201);
    expect(world.acts.some((act) => act.action === 'second_factor.removed' && act.target.id === user.id)).toBe(true);
  });
});

describe('a log-in by a passkey alone', () => {
  it('is both factors when it verified its user', async () => {
    const { user, key } = await owner();
    const asked = await loginOptions();
    expect(asked).toMatchObject({ rpId: 'backup.example.org', userVerification: 'required', allowCredentials: [] });
    const response = await logInWith(key.answer(asked));
    expect(response.status).toBe(201);
    expect(response.headers.get('set-cookie')).toMatch(/^rahat_session=rhs_.*SameSite=Strict; Secure$/);
    const principal = await world.principalOf((response.body as TokenPair).accessToken);
    expect(principal.subject).toBe(user.id);
    expect(await world.server.query(`SELECT method, second_factor FROM auth.sessions WHERE id = $1`, [principal.session!])).toEqual([
      { method: 'passkey', second_factor: true },
    ]);
    expect(world.acts.at(-1)).toMatchObject({ action: 'session.started', details: { method: 'passkey' } });
  });

  const attacks: [string, (owner: Owner) => Deviation][] = [
    ['that did not verify its user', () => ({ userVerified: false })],
    ['of another origin', () => ({ origin: 'https://evil.net' })],
    ['of another site', () => ({ rpId: 'evil.net' })],
    ['signed by another key', () => ({ signWith: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey })],
    ['whose counter went back, as that of a copy does', () => ({ counter: 1 })],
    ['to a challenge of its own', () => ({ challenge: Buffer.from('x'.repeat(32)).toString('base64url') })],
    ['in the name of another user', () => ({ userHandle: Buffer.from('user_0').toString('base64url') })],
    ['that is an answer to a registration', () => ({ type: 'webauthn.create' })],
  ];
  it.each(attacks)('is refused %s', async (_what, deviate) => {
    const ada = await owner();
    expect((await logInWith(ada.key.answer(await loginOptions()))).status).toBe(201);
    expect(await logInWith(ada.key.answer(await loginOptions(), deviate(ada)))).toMatchObject({
      status: 401,
      body: { code: 'unauthenticated' },
    });
    expect(world.acts.at(-1)).toMatchObject({ action: 'session.refused' });
    expect((await logInWith(ada.key.answer(await loginOptions(), { counter: 100 }))).status).toBe(201);
  });

  it('counts once, of two at once too, not after five minutes, and not with a key that nobody registered', async () => {
    const { key } = await owner();
    const answer = key.answer(await loginOptions());
    const twice = await Promise.all([logInWith(answer), logInWith(answer)]);
    expect(twice.map(({ status }) => status).sort()).toEqual([201, 401]);
    const late = key.answer(await loginOptions());
    await world.server.query(`UPDATE auth.passkey_challenges SET expires_at = now() - interval '1 second'`);
    expect((await logInWith(late)).status).toBe(401);
    expect((await logInWith(new SoftwareAuthenticator(ORIGIN).answer(await loginOptions()))).status).toBe(401);
    expect((await world.call('POST', '/api/v2/sessions/passkey', { passkey: { id: 'x' } })).status).toBe(422);
  });
});

describe('a passkey as the second factor', () => {
  it('follows the password, and its presence is enough', async () => {
    const { user, key } = await owner();
    const first = await world.logIn(user);
    expect(first.body.methods).toEqual(['passkey', 'recovery_code']);
    const asked = await loginOptions(first.body.challenge);
    expect(asked.allowCredentials).toHaveLength(1);
    expect((await prove(first.body.challenge, key.answer(asked, { userVerified: false }))).status).toBe(201);
  });

  it('is not that of another user, nor an answer to another question', async () => {
    const [ada, eve] = [await owner(), await owner()];
    const { challenge } = (await world.logIn(ada.user)).body;
    expect((await prove(challenge, eve.key.answer(await loginOptions(challenge)))).status).toBe(401);
    const evesOwn = (await world.logIn(eve.user)).body.challenge;
    expect((await prove(challenge, eve.key.answer(await loginOptions(evesOwn)))).status).toBe(401);
    expect((await prove(challenge, ada.key.answer(await loginOptions()))).status).toBe(401);
    // Made without user verification for a second step, it is no whole log-in either.
    expect((await logInWith(ada.key.answer(await loginOptions(challenge), { userVerified: false }))).status).toBe(401);
    expect((await prove(challenge, ada.key.answer(await loginOptions(challenge)))).status).toBe(201);
    expect((await world.call('POST', '/api/v2/sessions/passkey/options', { challenge })).body.code).toBe('challenge_ended');
  });

  it('is a fresh proof', async () => {
    const { principal, key } = await owner();
    await world.server.query(`UPDATE auth.sessions SET proven_at = '-infinity'`);
    expect((await world.call('POST', '/api/v2/me/passkeys/options', {}, principal)).status).toBe(403);
    const asked = (await world.call('POST', '/api/v2/me/proof/passkey-options', {}, principal)).body.options;
    expect((await world.call('POST', '/api/v2/me/proof', { proof: { passkey: key.answer(asked) } }, principal)).status).toBe(204);
    expect((await world.call('POST', '/api/v2/me/passkeys/options', {}, principal)).status).toBe(200);
  });
});
