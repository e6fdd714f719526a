import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { ResetLink } from '@rahat/contracts';
import { PasswordResets } from '../index.js';
import { PASSWORD, startTestAuth, type TestAuth } from '../testing/start-test-auth.js';
import { BACK_OFF } from './back-off.js';
import { forgiveAttempt, reserveTry } from './login-failures.js';

type Person = Awaited<ReturnType<TestAuth['enter']>>;
const NEXT = 'seven otters juggle lanterns';

let auth: TestAuth;
let admin: Person;
let people = 0;
beforeAll(async () => {
  auth = await startTestAuth();
  admin = await auth.join('admin', 'alan@example.org');
}, 60_000);
beforeEach(() => auth.server.query(`TRUNCATE auth.login_failures`));
afterAll(async () => auth?.[Symbol.asyncDispose]());

const somebody = () => auth.join('viewer', `person${++people}@example.org`);
const emailOf = () => `person${people}@example.org`;
const change = (as: Person, currentPassword: string, newPassword: string) =>
  auth.call('PUT', '/api/v2/me/password', { currentPassword, newPassword }, as);
const linkFor = (user: string, as: Person = admin) => auth.call('POST', `/api/v2/users/${user}/reset-link`, undefined, as);
const reset = (token: string, password = NEXT) => auth.call('POST', '/api/v2/password-resets', { token, password });
const refused = { status: 403, body: { code: 'link_invalid' } };

describe('the own password', () => {
  it('is changed with the present one, and ends all other sessions', async () => {
    const here = await somebody();
    const elsewhere = await auth.enter(emailOf());
    expect((await change(here, PASSWORD, NEXT)).status).toBe(204);
    expect(auth.acts.at(-1)).toMatchObject({ action: 'password.changed', actor: { id: here.subject }, details: { endedSessions: 1 } });
    expect(await auth.authenticate(here.accessToken)).toBeDefined();
    expect(await auth.authenticate(elsewhere.accessToken)).toBeUndefined();
    expect((await auth.logIn(emailOf(), PASSWORD)).status).toBe(401);
    expect((await auth.logIn(emailOf(), NEXT)).status).toBe(201);
  });

  it('stays when the present one is wrong, and guesses wait', async () => {
    const here = await somebody();
    const guesses = await Promise.all(Array.from({ length: 8 }, () => change(here, 'a guess', NEXT)));
    expect(guesses.map(({ status }) => status).sort()).toEqual([403, 403, 403, 403, 403, 429, 429, 429]);
    expect((await change(here, PASSWORD, NEXT)).status).toBe(429);
    await auth.server.query(`TRUNCATE auth.login_failures`);
    expect((await auth.logIn(emailOf(), PASSWORD)).status).toBe(201);
  });

  it('is refused when it is common, personal, short or the present one', async () => {
    const here = await somebody();
    for (const weak of ['password1234', 'qwertyqwerty', emailOf(), 'Acme-Acme-2026', 'short', PASSWORD]) {
      const { status, body } = await change(here, PASSWORD, weak);
      expect(status).toBe(422);
      expect(JSON.stringify(body)).not.toContain(weak);
    }
    expect((await change(here, PASSWORD, 'password1234')).body).toMatchObject({ code: 'password_refused', hint: expect.any(String) });
  });

  it('is changed once by two changes at once', async () => {
    const here = await somebody();
    const answers = await Promise.all([change(here, PASSWORD, NEXT), change(here, PASSWORD, 'nine badgers paint harbours')]);
    expect(answers.map(({ status }) => status).sort()).toEqual([204, 409]);
  });

  it('is no business of an API key', async () => {
    expect((await change({ ...admin, kind: 'api-key' }, PASSWORD, NEXT)).status).toBe(403);
    expect((await auth.call('PUT', '/api/v2/me/password', { newPassword: NEXT }, admin)).status).toBe(422);
    expect(
      (await auth.call('PUT', '/api/v2/me/password', { currentPassword: PASSWORD, newPassword: NEXT, user: 'user_x' }, admin)).status,
    ).toBe(422);
  });
});

describe('guesses from one place', () => {
  let guess = 0;
  const guessFrom = (address: string) => reserveTry(auth.database, `guessed${++guess}@example.org`, address);

  it.each([
    ['addresses of its IPv6 network', (turn: number) => `2001:db8:7:7:${turn.toString(16)}::${turn}`, '2001:db8:7:8::1'],
    ['ways to write its IPv4 address', (turn: number) => (turn % 2 === 0 ? '203.0.113.9' : '::ffff:cb00:7109'), '::ffff:203.0.113.10'],
  ])('wait, whichever of the %s they come from', async (_what, address, neighbour) => {
    for (let turn = 1; turn <= BACK_OFF.address.free; turn++) expect(await guessFrom(address(turn))).toBe(0);
    expect(await guessFrom(address(500))).toBeGreaterThan(0);
    expect(await guessFrom(neighbour)).toBe(0);
    await auth.database.asSystem('forgive', (transaction) => forgiveAttempt(transaction, undefined, address(501)));
    expect(await guessFrom(address(502))).toBe(0);
  });
});

describe('an e-mail that nobody has', () => {
  it('costs a log-in as much work as one that somebody has', async () => {
    const left = 'left@example.org';
    const gone = await auth.join('viewer', left);
    await auth.call('DELETE', `/api/v2/users/${gone.subject}`, undefined, admin);
    const workOf = async (address: string) => {
      await auth.server.query(`TRUNCATE auth.login_failures`);
      const before = process.cpuUsage();
      for (let tries = 0; tries < 4; tries++) expect((await auth.logIn(address, 'wrong')).status).toBe(401);
      const { user, system } = process.cpuUsage(before);
      return user + system;
    };
    await workOf('alan@example.org');
    const known = await workOf('alan@example.org');
    // Hashing a password is most of it; without that it would be a small part.
    for (const unknown of ['nobody@example.org', left]) expect(await workOf(unknown)).toBeGreaterThan(known / 2);
  });
});

describe('a reset link', () => {
  it('sets a new password once, ends every session, and frees a locked account', async () => {
    const here = await somebody();
    const link = (await linkFor(here.subject)).body as ResetLink;
    expect(Date.parse(link.expiresAt) - Date.now()).toBeLessThanOrEqual(3_600_000);
    expect(auth.acts.at(-1)).toMatchObject({
      action: 'password.reset_link_made',
      actor: { id: admin.subject },
      target: { id: here.subject },
    });
    await Promise.all(Array.from({ length: 8 }, () => auth.logIn(emailOf(), 'wrong')));
    expect((await auth.logIn(emailOf())).status).toBe(429);
    expect((await reset(link.token, 'password1234')).status).toBe(422);
    const answers = await Promise.all([reset(link.token), reset(link.token, 'nine badgers paint harbours'), reset(link.token)]);
    expect(answers.map(({ status }) => status).sort()).toEqual([204, 403, 403]);
    expect(auth.acts.at(-1)).toMatchObject({ action: 'password.reset', details: { endedSessions: 1 } });
    expect(await auth.authenticate(here.accessToken)).toBeUndefined();
    expect(await reset(link.token)).toMatchObject(refused);
    expect((await auth.logIn(emailOf(), answers[1]!.status === 204 ? 'nine badgers paint harbours' : NEXT)).status).toBe(201);
  });

  it('ends after an hour, by a newer one, and by a change of the password', async () => {
    const here = await somebody();
    const links: string[] = [];
    for (let count = 0; count < 3; count++) links.push((await linkFor(here.subject)).body.token);
    expect(await reset(links[0]!)).toMatchObject(refused);
    expect(await reset(links[1]!)).toMatchObject(refused);
    await change(here, PASSWORD, NEXT);
    expect(await reset(links[2]!)).toMatchObject(refused);
    const late = (await linkFor(here.subject)).body.token;
    await auth.server.query(`UPDATE auth.password_resets SET expires_at = now()`);
    expect(await reset(late)).toMatchObject(refused);
    for (const wrong of ['rhp_nonsense', 'x', "' OR 1=1 --"]) expect(await reset(wrong)).toMatchObject(refused);
  });

  it('is for others only: who has a session, has no password by that', async () => {
    expect((await linkFor(admin.subject)).status).toBe(409);
    expect((await linkFor('user_nobody')).status).toBe(404);
  });

  it('of one organization does not open another one', async () => {
    const here = await somebody();
    const early = (await linkFor(here.subject)).body.token;
    const made = await auth.call('POST', '/api/v2/organizations', { name: 'Other' }, auth.owner);
    const other = { ...auth.owner, organization: made.body.id as string };
    const { token } = (await auth.call('POST', '/api/v2/invitations', { email: emailOf(), role: 'admin' }, other)).body;
    await auth.call('POST', '/api/v2/invitations/accept', { token, password: PASSWORD });
    expect((await linkFor(here.subject)).status).toBe(409);
    expect((await reset(early)).status).toBe(409);
    expect((await auth.logIn(emailOf())).status).toBe(201);
  });

  it('from the console of the machine opens whatever is locked', async () => {
    await Promise.all(Array.from({ length: 8 }, () => auth.logIn('ada@example.org', 'wrong')));
    expect((await auth.logIn('ada@example.org')).status).toBe(429);
    const resets = auth.application.get(PasswordResets);
    const { token } = await resets.issueOnConsole('ADA@example.org');
    expect(auth.acts.at(-1)).toMatchObject({ action: 'password.reset_link_made', actor: { kind: 'system', id: 'console' } });
    expect((await reset(token)).status).toBe(204);
    expect((await auth.logIn('ada@example.org', NEXT)).status).toBe(201);
    await expect(resets.issueOnConsole('nobody@example.org')).rejects.toMatchObject({ code: 'not_found' });
  });
});

describe('sessions', () => {
  it('are listed with where they come from, and ended one by one or all others', async () => {
    const here = await somebody();
    const there = await auth.enter(emailOf());
    const third = await auth.enter(emailOf());
    const { data } = (await auth.call('GET', '/api/v2/sessions', undefined, here)).body;
    expect(data.map(({ id, current }: { id: string; current: boolean }) => [id, current])).toEqual([
      [third.session, false],
      [there.session, false],
      [here.session, true],
    ]);
    expect(data[0]).toEqual({
      id: third.session,
      organization: { id: auth.organization, name: 'Acme' },
      address: expect.stringContaining('127.0.0.1'),
      userAgent: expect.any(String),
      createdAt: expect.any(String),
      lastSeenAt: expect.any(String),
      expiresAt: expect.any(String),
      current: false,
    });
    const page = (await auth.call('GET', '/api/v2/sessions?limit=2', undefined, here)).body.page;
    expect((await auth.call('GET', `/api/v2/sessions?cursor=${page.nextCursor}`, undefined, here)).body.data).toHaveLength(1);

    expect((await auth.call('DELETE', `/api/v2/sessions/${there.session}`, undefined, admin)).status).toBe(404);
    expect((await auth.call('DELETE', `/api/v2/sessions/${there.session}`, undefined, here)).status).toBe(204);
    expect(await auth.authenticate(there.accessToken)).toBeUndefined();
    expect((await auth.call('DELETE', '/api/v2/sessions/others', undefined, here)).body).toEqual({ ended: 1 });
    expect(await auth.authenticate(third.accessToken)).toBeUndefined();
    expect(await auth.authenticate(here.accessToken)).toBeDefined();
    expect((await auth.call('GET', '/api/v2/sessions', undefined, { ...here, kind: 'api-key' })).status).toBe(403);
  });

  it('of a member are seen and ended by an admin, here and nowhere else', async () => {
    const here = await somebody();
    const seen = (await auth.call('GET', `/api/v2/users/${here.subject}/sessions`, undefined, admin)).body.data;
    expect(seen.map(({ id }: { id: string }) => id)).toEqual([here.session]);
    expect((await auth.call('DELETE', `/api/v2/users/${here.subject}/sessions`, undefined, admin)).body).toEqual({ ended: 1 });
    expect(auth.acts.at(-1)).toMatchObject({ action: 'user.sessions_ended', details: { ended: 1 } });
    expect(await auth.authenticate(here.accessToken)).toBeUndefined();
  });
});

it('keeps passwords and links out of the database, the trail and the log', async () => {
  const here = await somebody();
  const { token } = (await linkFor(here.subject)).body;
  await reset(token);
  await auth.call('PUT', '/api/v2/me/password', { currentPassword: PASSWORD, newPassword: NEXT }, here);
  const rows = JSON.stringify(await auth.server.query(`SELECT *, encode(token_hash, 'escape') AS shown FROM auth.password_resets`));
  for (const secret of [token, NEXT, PASSWORD])
    for (const place of [rows, JSON.stringify(auth.acts), auth.application.log()]) expect(place.includes(secret)).toBe(false);
});
