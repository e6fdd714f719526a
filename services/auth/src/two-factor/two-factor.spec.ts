import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { newId, type LoginChallenge, type Principal, type TokenPair } from '@rahat/contracts';
import { generate } from 'otplib';
import { LostFactors } from './lost-factors.js';
import { startAuthWorld, type AuthWorld, type TestUser } from '../testing/auth-world.js';
import { PASSWORD } from '../testing/start-test-auth.js';

let world: AuthWorld;
beforeAll(async () => (world = await startAuthWorld()));
afterAll(async () => world?.[Symbol.asyncDispose]());
beforeEach(() => world.forgetFailures());

interface Enrolled {
  user: TestUser;
  principal: Principal;
  secret: string;
  recoveryCodes: string[];
}

const codeOf = (secret: string, seconds = 0) => generate({ secret, epoch: Math.floor(Date.now() / 1000) + seconds });
/** As if the app had not been used for a while. */
const forgetSteps = () => world.server.query(`UPDATE auth.totp_factors SET last_step = NULL`);

async function enrol(user?: TestUser): Promise<Enrolled> {
  user ??= await world.addUser();
  const principal = await world.principal(user);
  const { secret } = (await world.call('POST', '/api/v2/me/second-factors/totp', undefined, principal)).body;
  const confirmed = await world.call('POST', '/api/v2/me/second-factors/totp/confirm', { code: await codeOf(secret) }, principal);
  expect(confirmed.status).toBe(200);
  await forgetSteps();
  return { user, principal, secret, recoveryCodes: confirmed.body.recoveryCodes };
}

async function challenge(user: TestUser): Promise<string> {
  const response = await world.logIn(user);
  expect(response.status).toBe(202);
  return (response.body as LoginChallenge).challenge;
}
const answer = (challengeText: string, proof: object) =>
  world.call('POST', '/api/v2/sessions/second-factor', { challenge: challengeText, proof });
const cookieOf = (response: { headers: Headers }) => response.headers.get('set-cookie')?.split(/[=;]/)[1];
const actionsOf = (user: TestUser) =>
  world.acts.filter((act) => act.actor.id === user.id || act.target.id === user.id).map((act) => act.action);

describe('a log-in of a user with an authenticator app', () => {
  it('needs a code after the password, and only then gives tokens and a cookie', async () => {
    const { user, secret } = await enrol();
    const first = await world.logIn(user);
    expect(first).toMatchObject({ status: 202, body: { expiresInSeconds: 300, methods: ['totp', 'recovery_code'] } });
    expect(Object.keys(first.body).sort()).toEqual(['challenge', 'expiresInSeconds', 'methods']);
    expect(first.headers.get('set-cookie')).toBeNull();
    const second = await answer(first.body.challenge, { code: await codeOf(secret) });
    expect(second.status).toBe(201);
    expect((await world.authenticate((second.body as TokenPair).accessToken)).body).toMatchObject({ subject: user.id, scopes: ['*'] });
    expect((await world.authenticate(cookieOf(second)!)).status).toBe(200);
    expect(world.acts.at(-1)).toMatchObject({ action: 'session.started', details: { method: 'password', secondFactor: 'totp' } });
  });

  it('is no credential while it waits', async () => {
    const waiting = await challenge((await enrol()).user);
    expect((await world.authenticate(waiting)).status).toBe(401);
    expect((await world.call('POST', '/api/v2/sessions/refresh', { refreshToken: waiting })).status).toBe(401);
  });

  it('takes a code once: not in a second log-in, nor an earlier one after it', async () => {
    const { user, secret } = await enrol();
    const [now, before] = [await codeOf(secret), await codeOf(secret, -30)];
    expect((await answer(await challenge(user), { code: now })).status).toBe(201);
    for (const code of [now, before])
      expect(await answer(await challenge(user), { code })).toMatchObject({ status: 401, body: { code: 'second_factor_refused' } });
    expect(actionsOf(user)).toContain('second_factor.refused');
  });

  it('is won by exactly one of two simultaneous uses of a code, in one log-in and in two', async () => {
    const { user, secret, recoveryCodes } = await enrol();
    const proofs = [{ code: await codeOf(secret) }, { recoveryCode: recoveryCodes[0]! }];
    for (const proof of proofs) {
      const [a, b] = [await challenge(user), await challenge(user)];
      const answers = await Promise.all([answer(a, proof), answer(b, proof)]);
      expect(answers.map(({ status }) => status).sort()).toEqual([201, 401]);
    }
    await forgetSteps();
    const one = await challenge(user);
    const both = await Promise.all([answer(one, { code: await codeOf(secret) }), answer(one, { recoveryCode: recoveryCodes[1]! })]);
    expect(both.map(({ status }) => status).sort()).toEqual([201, 401]);
  });

  it('cannot be answered again, after five minutes, after five tries, or by the code of another user', async () => {
    const [ada, eve] = [await enrol(), await enrol()];
    const done = await challenge(ada.user);
    expect((await answer(done, { code: await codeOf(ada.secret) })).status).toBe(201);
    await forgetSteps();
    expect(await answer(done, { code: await codeOf(ada.secret) })).toMatchObject({ status: 401, body: { code: 'challenge_ended' } });

    const late = await challenge(ada.user);
    await world.server.query(`UPDATE auth.login_challenges SET expires_at = now() - interval '1 second'`);
    expect(await answer(late, { code: await codeOf(ada.secret) })).toMatchObject({ body: { code: 'challenge_ended' } });

    const worn = await challenge(ada.user);
    for (let tries = 0; tries < 5; tries++) {
      await world.forgetFailures();
      expect((await answer(worn, { code: '000000' })).body.code).toBe('second_factor_refused');
    }
    await world.forgetFailures();
    expect(await answer(worn, { code: await codeOf(ada.secret) })).toMatchObject({ body: { code: 'challenge_ended' } });

    const waiting = await challenge(ada.user);
    expect((await answer(waiting, { code: await codeOf(eve.secret) })).body.code).toBe('second_factor_refused');
    expect((await answer(waiting, { recoveryCode: eve.recoveryCodes[0]! })).body.code).toBe('second_factor_refused');
    expect((await answer(`rhc_${'A'.repeat(43)}`, { code: '123456' })).body.code).toBe('challenge_ended');
    expect((await answer(waiting, { code: await codeOf(ada.secret) })).status).toBe(201);
  });

  it('makes who guesses codes wait, though the password is right each time, and counts parallel guesses', async () => {
    const { user, secret } = await enrol();
    const waiting = await Promise.all(Array.from({ length: 4 }, () => challenge(user)));
    const guesses = await Promise.all(waiting.flatMap((text) => [1, 2, 3].map((n) => answer(text, { code: `00000${n}` }))));
    expect(guesses.filter(({ status }) => status === 401)).toHaveLength(5);
    const fresh = await challenge(user);
    const refused = await answer(fresh, { code: await codeOf(secret) });
    expect(refused).toMatchObject({ status: 429, body: { code: 'rate_limited' } });
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    await world.server.query(`UPDATE auth.login_failures SET blocked_until = now()`);
    expect((await answer(fresh, { code: await codeOf(secret) })).status).toBe(201);
  });

  it('refuses what is no proof', async () => {
    const waiting = await challenge((await enrol()).user);
    for (const proof of [
      {},
      { code: '12345' },
      { code: 123456 },
      { code: '１２３４５６' },
      { code: '123456', recoveryCode: 'x' },
      { password: PASSWORD },
    ])
      expect((await answer(waiting, proof)).status).toBe(422);
  });

  it('gives a new cookie each time, whatever the browser brings', async () => {
    const { user, secret } = await enrol();
    const planted = `rhs_${'p'.repeat(43)}`;
    const response = await world.application.call('POST', '/api/v2/sessions/second-factor', {
      body: { challenge: await challenge(user), proof: { code: await codeOf(secret) } },
      headers: { cookie: `rahat_session=${planted}` },
    });
    expect(cookieOf(response)).toMatch(/^rhs_/);
    expect(cookieOf(response)).not.toBe(planted);
    expect((await world.authenticate(planted)).status).toBe(401);
  });

  it('ends with the membership', async () => {
    const { user, secret } = await enrol();
    const waiting = await challenge(user);
    await world.server.query(`DELETE FROM auth.memberships WHERE user_id = $1`, [user.id]);
    expect((await answer(waiting, { code: await codeOf(secret) })).body.code).toBe('challenge_ended');
  });
});

describe('recovery codes', () => {
  it('are ten, work once each in any spelling, and are told when used', async () => {
    const { user, recoveryCodes } = await enrol();
    expect(new Set(recoveryCodes).size).toBe(10);
    const typed = recoveryCodes[0]!.toLowerCase().replaceAll('-', ' ');
    expect((await answer(await challenge(user), { recoveryCode: typed })).status).toBe(201);
    expect(actionsOf(user)).toContain('recovery_code.used');
    expect((await answer(await challenge(user), { recoveryCode: recoveryCodes[0]! })).status).toBe(401);
    expect((await answer(await challenge(user), { recoveryCode: recoveryCodes[1]! })).status).toBe(201);
  });

  it('are replaced as a whole, and stand nowhere in clear', async () => {
    const { user, principal, recoveryCodes, secret } = await enrol();
    const renewed = await world.call('POST', '/api/v2/me/second-factors/recovery-codes', undefined, principal);
    expect(renewed.status).toBe(201);
    expect((await answer(await challenge(user), { recoveryCode: recoveryCodes[0]! })).status).toBe(401);
    expect((await answer(await challenge(user), { recoveryCode: renewed.body.recoveryCodes[0] })).status).toBe(201);
    const rows = JSON.stringify([
      await world.server.query(`SELECT * FROM auth.totp_factors`),
      await world.server.query(`SELECT encode(hash, 'escape') FROM auth.recovery_codes`),
    ]);
    for (const planted of [secret, renewed.body.recoveryCodes[1] as string, (renewed.body.recoveryCodes[1] as string).replaceAll('-', '')])
      for (const place of [rows, world.application.log(), JSON.stringify(world.acts)]) expect(place.includes(planted)).toBe(false);
  });
});

describe('an enrolment', () => {
  it('counts only when a code confirmed it, and never replaces a confirmed one', async () => {
    const user = await world.addUser();
    const principal = await world.principal(user);
    const begin = () => world.call('POST', '/api/v2/me/second-factors/totp', undefined, principal);
    const confirm = (code: string) => world.call('POST', '/api/v2/me/second-factors/totp/confirm', { code }, principal);
    const first = (await begin()).body.secret as string;
    expect((await world.logIn(user)).status).toBe(201);
    const second = (await begin()).body.secret as string;
    expect((await confirm(await codeOf(first))).status).toBe(422);
    const confirmed = await confirm(await codeOf(second));
    expect(confirmed.body.recoveryCodes).toHaveLength(10);
    expect((await world.logIn(user)).status).toBe(202);
    expect((await begin()).status).toBe(409);
    // The code that confirmed it is used up.
    expect((await answer(await challenge(user), { code: await codeOf(second) })).status).toBe(401);
    expect((await world.call('GET', '/api/v2/me/second-factors', undefined, principal)).body).toMatchObject({
      totpSince: expect.any(String),
      passkeys: 0,
      recoveryCodesLeft: 10,
      required: false,
      mustEnrol: false,
    });
  });

  it('and a removal need a proof of the last ten minutes, by the factor where there is one', async () => {
    const { user, principal, secret } = await enrol();
    const prove = (proof: object) => world.call('POST', '/api/v2/me/proof', { proof }, principal);
    const remove = () => world.call('DELETE', '/api/v2/me/second-factors/totp', undefined, principal);
    await world.server.query(`UPDATE auth.sessions SET proven_at = now() - interval '11 minutes'`);
    for (const [method, path, body] of [
      ['DELETE', '/api/v2/me/second-factors/totp'],
      ['POST', '/api/v2/me/second-factors/totp'],
      ['POST', '/api/v2/me/second-factors/totp/confirm', { code: '123456' }],
      ['POST', '/api/v2/me/second-factors/recovery-codes'],
      ['POST', '/api/v2/me/passkeys/options'],
      ['DELETE', '/api/v2/me/passkeys/passkey_x'],
      ['PATCH', '/api/v2/organization/security', { secondFactorRequired: false }],
    ] as const)
      expect(await world.call(method, path, body, principal)).toMatchObject({ status: 403, body: { code: 'fresh_proof_needed' } });
    await world.forgetFailures();
    for (const proof of [{ password: PASSWORD }, { code: '000000' }, { recoveryCode: 'AAAA-AAAA-AAAA-AAAA' }])
      expect((await prove(proof)).status).toBe(401);
    expect((await remove()).status).toBe(403);
    expect((await prove({ code: await codeOf(secret) })).status).toBe(204);
    expect((await remove()).status).toBe(204);
    expect((await world.logIn(user)).status).toBe(201);
    expect(await world.server.query(`SELECT FROM auth.recovery_codes WHERE user_id = $1`, [user.id])).toEqual([]);
    expect(actionsOf(user)).toEqual(expect.arrayContaining(['second_factor.enrolled', 'second_factor.removed', 'proof.refused']));
  });

  it('of the first factor is proven by the password, whose guesses wait', async () => {
    const user = await world.addUser();
    const principal = await world.principal(user);
    await world.server.query(`UPDATE auth.sessions SET proven_at = '-infinity' WHERE user_id = $1`, [user.id]);
    const prove = (password: string) => world.call('POST', '/api/v2/me/proof', { proof: { password } }, principal);
    const guesses = await Promise.all(Array.from({ length: 8 }, () => prove('wrong')));
    expect(guesses.map(({ status }) => status).sort()).toEqual([401, 401, 401, 401, 401, 429, 429, 429]);
    await world.forgetFailures();
    expect((await prove(PASSWORD)).status).toBe(204);
    expect((await world.call('POST', '/api/v2/me/second-factors/totp', undefined, principal)).status).toBe(201);
  });

  it('is of the person, in each organization that they belong to', async () => {
    const { user, secret } = await enrol();
    const second = await world.addOrganization('Second');
    await world.server.query(`INSERT INTO auth.memberships (organization_id, user_id, role) VALUES ($1, $2, 'viewer')`, [second, user.id]);
    await world.server.query(`UPDATE auth.users SET organization_id = $2 WHERE id = $1`, [user.id, second]);
    const principal = await world.principalOf((await answer(await challenge(user), { code: await codeOf(secret) })).body.accessToken);
    expect(principal.organization).toBe(second);
    expect((await world.call('GET', '/api/v2/me/second-factors', undefined, principal)).body.totpSince).not.toBeNull();
  });

  it('is nothing for an API key, nor for another organization', async () => {
    const { user, principal } = await enrol();
    const key: Principal = { ...principal, kind: 'api-key', subject: newId('apiKey'), session: undefined };
    for (const path of ['/api/v2/me/second-factors/totp', '/api/v2/me/second-factors/recovery-codes'])
      expect((await world.call('POST', path, undefined, key)).status).toBe(403);
    const stranger: Principal = { ...principal, organization: await world.addOrganization('Elsewhere') };
    expect((await world.call('DELETE', '/api/v2/me/second-factors/totp', undefined, stranger)).status).toBe(403);
    for (const table of ['totp_factors', 'recovery_codes', 'login_challenges', 'passkeys'])
      expect(
        await world.database.inOrganization(stranger.organization, (transaction) => transaction.query(`SELECT FROM ${table}`)),
      ).toEqual([]);
    expect((await world.logIn(user)).status).toBe(202);
  });
});

describe('an organization that requires a second factor', () => {
  it('leaves sessions without one nothing but to add one, and API keys as they are', async () => {
    const organization = await world.addOrganization('Strict');
    const [ada, bob] = [await world.addUser({ organization }), await world.addUser({ organization, role: 'operator' })];
    const require = (as: Principal, secondFactorRequired = true) =>
      world.call('PATCH', '/api/v2/organization/security', { secondFactorRequired }, as);
    const bobBefore = (await world.logIn(bob)).body as TokenPair;
    const plain = await world.principal(ada);
    expect((await require(await world.principalOf(bobBefore.accessToken))).status).toBe(403);
    expect(await require(plain)).toMatchObject({ status: 409 });
    const { principal: owner } = await enrol(ada);
    const key = (await world.call('POST', '/api/v2/api-keys', { name: 'ci', scopes: ['plan:read'] }, owner)).body.secret as string;
    expect(await require(owner)).toMatchObject({ status: 200, body: { secondFactorRequired: true } });
    expect(world.acts.at(-1)).toMatchObject({
      action: 'organization.security_changed',
      details: { before: { secondFactorRequired: false }, after: { secondFactorRequired: true } },
    });

    // A session that was open before is limited as well.
    for (const credential of [bobBefore.accessToken, ((await world.logIn(bob)).body as TokenPair).accessToken]) {
      const limited = await world.principalOf(credential);
      expect(limited).toMatchObject({ mustEnrol: true, scopes: [] });
      for (const [method, path, body] of [
        ['GET', '/api/v2/api-keys'],
        ['POST', '/api/v2/api-keys', { name: 'x', scopes: ['plan:read'] }],
        ['GET', '/api/v2/organization/security'],
        ['POST', '/api/v2/device-logins/approve', { userCode: 'BCDF-GHJK' }],
      ] as const)
        expect(await world.call(method, path, body, limited)).toMatchObject({ status: 403, body: { code: 'second_factor_required' } });
      expect((await world.call('GET', '/api/v2/me', undefined, limited)).status).toBe(200);
    }
    expect((await world.authenticate(key)).body.scopes).toEqual(['plan:read']);

    const { principal } = await enrol(bob);
    expect((await world.principalOf(bobBefore.accessToken)).mustEnrol).toBe(true);
    expect(await world.server.query(`SELECT second_factor FROM auth.sessions WHERE id = $1`, [principal.session!])).toEqual([
      { second_factor: true },
    ]);
    expect(await world.call('DELETE', '/api/v2/me/second-factors/totp', undefined, principal)).toMatchObject({ status: 409 });
  });

  it('opens a limited session when its user shows a factor that was added elsewhere', async () => {
    const organization = await world.addOrganization('Strict too');
    const user = await world.addUser({ organization });
    const before = ((await world.logIn(user)).body as TokenPair).accessToken;
    const { principal, secret } = await enrol(user);
    await world.call('PATCH', '/api/v2/organization/security', { secondFactorRequired: true }, principal);
    const limited = await world.principalOf(before);
    expect(limited.mustEnrol).toBe(true);
    expect((await world.call('POST', '/api/v2/me/proof', { proof: { code: await codeOf(secret) } }, limited)).status).toBe(204);
    expect(await world.principalOf(before)).toMatchObject({ scopes: ['*'] });
  });
});

describe('passkeys of an installation that does not know its public address', () => {
  it('are not made, and it says what is missing', async () => {
    const principal = await world.principal(await world.addUser());
    const refused = await world.call('POST', '/api/v2/me/passkeys/options', {}, principal);
    expect(refused).toMatchObject({ status: 409, body: { hint: expect.stringContaining('RAHAT_PUBLIC_URL') } });
    expect((await world.call('POST', '/api/v2/sessions/passkey/options', {})).status).toBe(409);
  });
});

describe('second factors that were lost', () => {
  const remove = (user: TestUser, as: Principal) => world.call('DELETE', `/api/v2/users/${user.id}/second-factors`, undefined, as);

  it('are removed by an admin who proved who they are, and every session of their owner ends', async () => {
    const { user, principal: own } = await enrol(await world.addUser({ role: 'operator' }));
    const waiting = await challenge(user);
    const admin = await world.principal(await world.addUser({ role: 'admin' }));
    expect((await remove(user, admin)).status).toBe(204);
    expect(await world.server.query(`SELECT FROM auth.sessions WHERE id = $1 AND revoked_at IS NULL`, [own.session!])).toEqual([]);
    expect((await answer(waiting, { code: '123456' })).body.code).toBe('challenge_ended');
    expect((await world.logIn(user)).status).toBe(201);
    expect(
      world.acts.some(
        ({ action, target, actor }) => action === 'second_factors.removed' && target.id === user.id && actor.id === admin.subject,
      ),
    ).toBe(true);
  });

  it('are removed neither without a fresh proof nor by a key, nor of who stands above, is yourself, or belongs elsewhere too', async () => {
    const { user } = await enrol(await world.addUser({ role: 'owner' }));
    const [admin, operator] = [await world.addUser({ role: 'admin' }), await world.addUser({ role: 'operator' })];
    const principal = await world.principal(admin);
    expect((await remove(user, principal)).status).toBe(403);
    expect((await remove(user, await world.principal(operator))).status).toBe(403);
    expect((await remove(admin, principal)).status).toBe(409);
    expect((await remove(operator, { ...principal, kind: 'api-key', session: undefined })).status).toBe(403);
    const stranger = await world.principal(await world.addUser({ organization: await world.addOrganization('Strangers') }));
    expect((await remove(operator, stranger)).status).toBe(404);
    await world.server.query(`INSERT INTO auth.memberships (organization_id, user_id, role) VALUES ($1, $2, 'viewer')`, [
      stranger.organization,
      operator.id,
    ]);
    expect((await remove(operator, principal)).status).toBe(409);
    await world.server.query(`UPDATE auth.sessions SET proven_at = '-infinity' WHERE id = $1`, [principal.session!]);
    expect((await remove(operator, principal)).body.code).toBe('fresh_proof_needed');
    expect((await world.logIn(user)).status).toBe(202);
  });

  it('are removed on the console of the machine, whoever it is', async () => {
    const { user } = await enrol();
    expect(await world.application.get(LostFactors).removeOnConsole(user.email.toUpperCase())).toEqual({ user: user.id });
    expect((await world.logIn(user)).status).toBe(201);
    await expect(world.application.get(LostFactors).removeOnConsole('nobody@example.org')).rejects.toMatchObject({ code: 'not_found' });
  });
});
