import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newId, type CreatedInvitation, type Principal, type Role } from '@rahat/contracts';
import { PASSWORD, startTestAuth, type TestAuth } from '../testing/start-test-auth.js';

let auth: TestAuth;
let admin: Awaited<ReturnType<TestAuth['enter']>>;
beforeAll(async () => {
  auth = await startTestAuth();
  admin = await auth.join('admin', 'alan@example.org');
}, 60_000);
afterAll(async () => auth?.[Symbol.asyncDispose]());

const invite = async (email: string, role: Role = 'viewer', as: Principal = auth.owner) =>
  (await auth.call('POST', '/api/v2/invitations', { email, role }, as)).body as CreatedInvitation;
const accept = (token: string, change: object = {}) =>
  auth.call('POST', '/api/v2/invitations/accept', { token, name: 'New', password: PASSWORD, ...change });
const look = (token: string) => auth.call('POST', '/api/v2/invitations/look', { token });
const refused = { status: 403, body: { code: 'link_invalid' } };

describe('an invitation', () => {
  it('is given, looked at by its token alone, and makes a member who can log in', async () => {
    const made = await invite('nina@example.org', 'operator', admin);
    expect(made).toMatchObject({ email: 'nina@example.org', role: 'operator', state: 'open', invitedBy: { name: 'alan' } });
    expect(Date.parse(made.expiresAt) - Date.now()).toBeGreaterThan(6.9 * 86_400_000);
    expect(auth.acts.at(-1)).toMatchObject({ action: 'invitation.created', details: { after: { role: 'operator', state: 'open' } } });
    expect((await look(made.token)).body).toEqual({
      organization: { id: auth.organization, name: 'Acme' },
      email: 'nina@example.org',
      role: 'operator',
      expiresAt: made.expiresAt,
      accountExists: false,
    });
    expect(await accept(made.token, { name: 'Nina' })).toMatchObject({
      status: 201,
      body: { email: 'nina@example.org', role: 'operator' },
    });
    expect(auth.acts.at(-1)).toMatchObject({ action: 'user.joined', actor: { name: 'Nina', address: '127.0.0.1' } });
    expect(await auth.enter('nina@example.org')).toMatchObject({ name: 'Nina', role: 'operator', organization: auth.organization });
    const { data } = (await auth.call('GET', '/api/v2/invitations', undefined, admin)).body;
    expect(data[0]).toMatchObject({ id: made.id, state: 'accepted' });
    expect(data[0]).not.toHaveProperty('token');
  });

  it('works once', async () => {
    const { token } = await invite('once@example.org');
    expect((await accept(token)).status).toBe(201);
    expect(await accept(token)).toMatchObject(refused);
    expect(await look(token)).toMatchObject(refused);
  });

  it('is taken by one of two who accept it at once', async () => {
    const { token } = await invite('race@example.org');
    const answers = await Promise.all([accept(token, { name: 'A' }), accept(token, { name: 'B' }), accept(token, { name: 'C' })]);
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 403, 403]);
    expect(await auth.server.query(`SELECT id FROM auth.users WHERE email = 'race@example.org'`)).toHaveLength(1);
  });

  it('ends by revoking, by a newer one of the same e-mail, and after seven days', async () => {
    const revoked = await invite('late@example.org');
    expect((await auth.call('DELETE', `/api/v2/invitations/${revoked.id}`, undefined, admin)).status).toBe(204);
    expect((await auth.call('DELETE', `/api/v2/invitations/${revoked.id}`, undefined, admin)).status).toBe(204);
    const older = await invite('late@example.org');
    const newer = await invite('LATE@example.org');
    for (const { token } of [revoked, older]) expect(await accept(token)).toMatchObject(refused);
    expect((await look(newer.token)).status).toBe(200);
    await auth.server.query(`UPDATE auth.invitations SET expires_at = now() WHERE id = $1`, [newer.id]);
    expect(await accept(newer.token)).toMatchObject(refused);
    const states = (await auth.call('GET', '/api/v2/invitations?limit=3', undefined, admin)).body.data;
    expect(states.map(({ state }: { state: string }) => state)).toEqual(['expired', 'revoked', 'revoked']);
  });

  it('is nothing for those who belong already, and cannot be revoked when it was accepted', async () => {
    expect((await auth.call('POST', '/api/v2/invitations', { email: 'ALAN@example.org', role: 'viewer' }, auth.owner)).status).toBe(409);
    const { token, id } = await invite('done@example.org');
    await accept(token);
    expect((await auth.call('DELETE', `/api/v2/invitations/${id}`, undefined, auth.owner)).status).toBe(409);
  });

  it('of an owner is made and revoked by owners alone', async () => {
    expect((await auth.call('POST', '/api/v2/invitations', { email: 'boss@example.org', role: 'owner' }, admin)).status).toBe(403);
    const { id, token } = await invite('boss@example.org', 'owner');
    expect((await auth.call('DELETE', `/api/v2/invitations/${id}`, undefined, admin)).status).toBe(403);
    expect((await auth.call('POST', '/api/v2/invitations', { email: 'boss@example.org', role: 'viewer' }, admin)).status).toBe(403);
    expect((await look(token)).status).toBe(200);
  });

  it('stays out of reach of another organization', async () => {
    const { id, token } = await invite('ours@example.org');
    const stranger = { ...auth.owner, organization: newId('organization'), subject: newId('user') };
    expect((await auth.call('GET', '/api/v2/invitations', undefined, stranger)).body.data).toEqual([]);
    expect([403, 404]).toContain((await auth.call('DELETE', `/api/v2/invitations/${id}`, undefined, stranger)).status);
    expect((await look(token)).status).toBe(200);
  });

  it('takes neither a weak password nor what a client may not set', async () => {
    const { token } = await invite('weak@example.org');
    for (const change of [
      { password: 'password1234' },
      { password: 'weak@example.org' },
      { password: 'NewAcme20262026' },
      { password: 'short' },
      { name: undefined },
      { name: ' ' },
      { role: 'owner' },
      { email: 'eve@example.org' },
      { organization: 'org_x' },
    ])
      expect((await accept(token, change)).status).toBe(422);
    for (const body of [
      { email: 'x', role: 'viewer' },
      { email: 'x@example.org' },
      { email: 'x@example.org', role: 'viewer', token: 'mine' },
    ])
      expect((await auth.call('POST', '/api/v2/invitations', body, auth.owner)).status).toBe(422);
    for (const wrong of ['rhi_nonsense', 'x', token.slice(0, -1)]) expect(await accept(wrong)).toMatchObject(refused);
    expect((await accept(token)).status).toBe(201);
  });
});

describe('an account that exists', () => {
  it('joins a further organization by its own password, and keeps name and password', async () => {
    const made = await auth.call('POST', '/api/v2/organizations', { name: 'Delta' }, auth.owner);
    const delta = { ...auth.owner, organization: made.body.id as string };
    const { token } = await invite('alan@example.org', 'viewer', delta);
    expect((await look(token)).body).toMatchObject({ accountExists: true, organization: { name: 'Delta' } });
    expect((await accept(token, { password: 'a password that eve made up' })).status).toBe(401);
    expect(auth.acts.at(-1)).toMatchObject({ action: 'invitation.refused', organization: delta.organization });
    expect(await accept(token, { name: 'Eve' })).toMatchObject({ status: 201, body: { user: admin.subject, role: 'viewer' } });
    // Log-ins enter where they entered before; the role there is untouched.
    expect(await auth.enter('alan@example.org')).toMatchObject({ name: 'alan', organization: auth.organization, role: 'admin' });
    const members = (await auth.call('GET', '/api/v2/users', undefined, delta)).body.data;
    expect(members.map(({ name, role }: { name: string; role: string }) => `${name} ${role}`)).toEqual(['Ada owner', 'alan viewer']);
  });

  it('makes guesses at its password wait, as log-ins do', async () => {
    const made = await auth.call('POST', '/api/v2/organizations', { name: 'Epsilon' }, auth.owner);
    const { token } = await invite('nina@example.org', 'viewer', { ...auth.owner, organization: made.body.id as string });
    const guesses = await Promise.all(Array.from({ length: 12 }, () => accept(token, { password: 'wrong' })));
    expect(guesses.filter(({ status }) => status === 401)).toHaveLength(5);
    expect(guesses.filter(({ status }) => status === 429)).toHaveLength(7);
    expect((await accept(token)).status).toBe(429);
    expect((await auth.logIn('nina@example.org')).status).toBe(429);
    await auth.server.query(`UPDATE auth.login_failures SET blocked_until = now()`);
    expect((await accept(token)).status).toBe(201);
  });
});

it('keeps tokens out of the database, the trail and the log', async () => {
  const { token } = await invite('secret@example.org');
  await look(token);
  const rows = JSON.stringify(await auth.server.query(`SELECT *, encode(token_hash, 'escape') AS shown FROM auth.invitations`));
  for (const place of [rows, JSON.stringify(auth.acts), auth.application.log()]) {
    expect(place).not.toContain(token);
    expect(place).not.toContain(PASSWORD);
  }
});
