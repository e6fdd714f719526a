import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newId, type CreatedApiKey, type CreatedInvitation, type Principal, type Role, type User } from '@rahat/contracts';
import { startTestAuth, type TestAuth } from '../testing/start-test-auth.js';

type Person = Awaited<ReturnType<TestAuth['enter']>>;

let auth: TestAuth;
let admin: Person;
let viewer: Person;
beforeAll(async () => {
  auth = await startTestAuth();
  admin = await auth.join('admin', 'alan@example.org');
  viewer = await auth.join('viewer', 'vera@example.org');
}, 60_000);
afterAll(async () => auth?.[Symbol.asyncDispose]());

const setRole = (as: Principal, user: string, role: Role) => auth.call('PATCH', `/api/v2/users/${user}`, { role }, as);
const remove = (as: Principal, user: string) => auth.call('DELETE', `/api/v2/users/${user}`, undefined, as);
const keyOf = async (as: Principal) =>
  (await auth.call('POST', '/api/v2/api-keys', { name: 'k', scopes: ['plan:read'] }, as)).body as CreatedApiKey;

describe('members', () => {
  it('are listed in pages and shown one by one', async () => {
    const first = (await auth.call('GET', '/api/v2/users?limit=2', undefined, auth.owner)).body;
    expect(first.data.map(({ name }: User) => name)).toEqual(['Ada', 'alan']);
    const second = (await auth.call('GET', `/api/v2/users?limit=2&cursor=${first.page.nextCursor}`, undefined, auth.owner)).body;
    expect(second).toMatchObject({ data: [{ name: 'vera' }], page: { nextCursor: null, hasMore: false } });
    expect((await auth.call('GET', `/api/v2/users/${viewer.subject}`, undefined, admin)).body).toEqual({
      id: viewer.subject,
      name: 'vera',
      email: 'vera@example.org',
      role: 'viewer',
      serverGroups: null,
      joinedAt: expect.any(String),
      lastSeenAt: expect.any(String),
    });
    expect((await auth.call('GET', '/api/v2/users?cursor=nonsense', undefined, admin)).status).toBe(422);
  });

  it('are changed by who saw them as they are', async () => {
    const person = await auth.join('viewer', 'edith@example.org');
    const path = `/api/v2/users/${person.subject}`;
    const call = (method: string, body?: object, headers = {}) => auth.application.call(method, path, { body, headers, as: auth.owner });
    const tag = (await call('GET')).headers.get('etag')!;
    expect((await call('GET', undefined, { 'if-none-match': tag })).status).toBe(304);
    const both = await Promise.all(['operator', 'auditor'].map((role) => call('PATCH', { role }, { 'if-match': tag })));
    expect(both.map(({ status }) => status).sort()).toEqual([200, 412]);
    expect((await call('DELETE', undefined, { 'if-match': tag })).status).toBe(412);
    expect((await call('DELETE', undefined, { 'if-match': (await call('GET')).headers.get('etag')! })).status).toBe(204);
  });

  it('are no business of a weaker role, nor of another organization', async () => {
    const stranger = { ...auth.owner, organization: newId('organization'), subject: newId('user') };
    const routes: [string, string, object?][] = [
      ['GET', '/api/v2/users'],
      ['GET', `/api/v2/users/${admin.subject}`],
      ['PATCH', `/api/v2/users/${admin.subject}`, { role: 'viewer' }],
      ['DELETE', `/api/v2/users/${admin.subject}`],
      ['POST', `/api/v2/users/${admin.subject}/reset-link`],
      ['GET', `/api/v2/users/${admin.subject}/sessions`],
      ['DELETE', `/api/v2/users/${admin.subject}/sessions`],
      ['GET', '/api/v2/invitations'],
      ['POST', '/api/v2/invitations', { email: 'x@example.org', role: 'viewer' }],
    ];
    for (const [method, path, body] of routes) {
      expect((await auth.call(method, path, body)).status).toBe(401);
      expect((await auth.call(method, path, body, viewer)).status).toBe(403);
      const { status, body: answer } = await auth.call(method, path, body, stranger);
      if (status === 200) expect(answer.data).toEqual([]);
      else expect([403, 404]).toContain(status);
    }
    expect((await auth.authenticate(admin.accessToken))?.role).toBe('admin');
  });

  it('keep what a client may not set', async () => {
    for (const body of [
      { role: 'god' },
      { role: 'admin', email: 'eve@example.org' },
      { id: 'user_x', role: 'admin' },
      { organization: 'org_x' },
      {},
    ])
      expect((await auth.call('PATCH', `/api/v2/users/${viewer.subject}`, body, auth.owner)).status).toBe(422);
  });
});

describe('a role', () => {
  it('is changed with before and after in the trail, and counts at once', async () => {
    const oscar = await auth.join('viewer', 'oscar@example.org');
    expect((await setRole(admin, oscar.subject, 'operator')).body).toMatchObject({ role: 'operator' });
    expect(auth.acts.at(-1)).toMatchObject({
      action: 'user.role_changed',
      actor: { id: admin.subject },
      target: { kind: 'user', id: oscar.subject, name: 'oscar' },
      details: { before: { role: 'viewer' }, after: { role: 'operator' } },
    });
    expect((await auth.authenticate(oscar.accessToken))?.role).toBe('operator');
  });

  it('is never given above oneself, nor taken from somebody above', async () => {
    expect((await setRole(admin, admin.subject, 'owner')).status).toBe(403);
    expect((await setRole(admin, viewer.subject, 'owner')).status).toBe(403);
    expect((await setRole(admin, auth.owner.subject, 'viewer')).status).toBe(403);
    expect((await remove(admin, auth.owner.subject)).status).toBe(403);
    expect((await auth.call('POST', `/api/v2/users/${auth.owner.subject}/reset-link`, undefined, admin)).status).toBe(403);
    expect((await auth.call('DELETE', `/api/v2/users/${auth.owner.subject}/sessions`, undefined, admin)).status).toBe(403);
    // An owner's key that may only write users gives away no more than it has itself.
    const { body: key } = await auth.call('POST', '/api/v2/api-keys', { name: 'hr', scopes: ['user:write', 'user:read'] }, auth.owner);
    const hr: Principal = { ...auth.owner, kind: 'api-key', subject: key.id, scopes: ['user:write', 'user:read'] };
    expect((await setRole(hr, viewer.subject, 'admin')).status).toBe(403);
    expect((await auth.call('POST', '/api/v2/invitations', { email: 'eve@example.org', role: 'owner' }, hr)).status).toBe(403);
  });

  it('that was lost a moment ago counts no more, whatever the principal says', async () => {
    const ex = await auth.join('admin', 'ex@example.org');
    await setRole(auth.owner, ex.subject, 'viewer');
    expect((await setRole(ex, viewer.subject, 'operator')).status).toBe(403);
    expect((await auth.call('POST', '/api/v2/invitations', { email: 'eve@example.org', role: 'viewer' }, ex)).status).toBe(403);
    expect((await auth.call('PATCH', '/api/v2/organization', { name: 'Eve' }, ex)).status).toBe(403);
  });

  it('taken away takes open invitations with it that the new role could not give', async () => {
    const mina = await auth.join('admin', 'mina@example.org');
    const { token } = (await auth.call('POST', '/api/v2/invitations', { email: 'friend@example.org', role: 'admin' }, mina))
      .body as CreatedInvitation;
    await setRole(auth.owner, mina.subject, 'operator');
    expect((await auth.call('POST', '/api/v2/invitations/look', { token })).body).toMatchObject({ code: 'link_invalid' });
  });
});

describe('the last owner', () => {
  it('is neither removed nor demoted', async () => {
    expect(await setRole(auth.owner, auth.owner.subject, 'admin')).toMatchObject({ status: 409, body: { code: 'last_owner' } });
    expect(await remove(auth.owner, auth.owner.subject)).toMatchObject({ status: 409, body: { code: 'last_owner' } });
  });

  it('is left when two owners remove, or demote, each other at once', async () => {
    for (const act of [remove, (as: Principal, user: string) => setRole(as, user, 'viewer')]) {
      const made = await auth.call('POST', '/api/v2/organizations', { name: 'Duo' }, auth.owner);
      const one = { ...auth.owner, organization: made.body.id as string };
      const invited = (await auth.call('POST', '/api/v2/invitations', { email: `duo-${made.body.id}@example.org`, role: 'owner' }, one))
        .body;
      const joined = (
        await auth.call('POST', '/api/v2/invitations/accept', {
          token: invited.token,
          name: 'Two',
          password: 'planted-password horse battery',
        })
      ).body;
      const two = { ...one, subject: joined.user as string };
      const answers = await Promise.all([act(one, two.subject), act(two, one.subject)]);
      expect(answers.filter(({ status }) => status < 300)).toHaveLength(1);
      expect([403, 409]).toContain(answers.find(({ status }) => status >= 300)!.status);
      expect(
        await auth.server.query(`SELECT user_id FROM auth.memberships WHERE organization_id = '${one.organization}' AND role = 'owner'`),
      ).toHaveLength(1);
    }
  });
});

describe('a removed member', () => {
  it('loses sessions, keys, invitations and reset links of this organization at once', async () => {
    const rita = await auth.join('admin', 'rita@example.org');
    const key = await keyOf(rita);
    const invitation = (await auth.call('POST', '/api/v2/invitations', { email: 'buddy@example.org', role: 'viewer' }, rita)).body;
    const reset = (await auth.call('POST', `/api/v2/users/${rita.subject}/reset-link`, undefined, auth.owner)).body;
    expect((await remove(admin, rita.subject)).status).toBe(204);
    expect(auth.acts.at(-1)).toMatchObject({
      action: 'user.removed',
      details: {
        before: { email: 'rita@example.org', role: 'admin' },
        endedSessions: 1,
        revokedKeys: 1,
        revokedInvitations: 1,
      },
    });
    for (const credential of [rita.accessToken, key.secret]) expect(await auth.authenticate(credential)).toBeUndefined();
    expect((await auth.call('POST', '/api/v2/sessions/refresh', { refreshToken: rita.refreshToken })).status).toBe(401);
    expect((await auth.logIn('rita@example.org')).status).toBe(401);
    expect((await auth.call('POST', '/api/v2/invitations/look', { token: invitation.token })).status).toBe(403);
    expect(
      (await auth.call('POST', '/api/v2/password-resets', { token: reset.token, password: 'another long battery horse' })).status,
    ).toBe(403);
    expect((await keyOf(rita)).secret).toBeUndefined();
    expect((await remove(admin, rita.subject)).status).toBe(404);
  });

  it('leaves no e-mail behind, and comes back as somebody new', async () => {
    const first = await auth.join('viewer', 'nomad@example.org');
    await remove(admin, first.subject);
    expect(JSON.stringify(await auth.server.query(`SELECT * FROM auth.users`))).not.toContain('nomad@example.org');
    const again = await auth.join('operator', 'nomad@example.org');
    expect(again).toMatchObject({ role: 'operator' });
    expect(again.subject).not.toBe(first.subject);
    expect(await auth.authenticate(first.accessToken)).toBeUndefined();
  });

  it('of one organization stays a member of the others, and enters one of them', async () => {
    const made = await auth.call('POST', '/api/v2/organizations', { name: 'Gamma' }, auth.owner);
    const gamma = { ...auth.owner, organization: made.body.id as string };
    const tom = await auth.join('viewer', 'tom@example.org');
    const { token } = (await auth.call('POST', '/api/v2/invitations', { email: 'tom@example.org', role: 'operator' }, gamma)).body;
    expect((await auth.call('POST', '/api/v2/invitations/accept', { token, password: 'planted-password horse battery' })).status).toBe(201);
    await remove(admin, tom.subject);
    expect(await auth.authenticate(tom.accessToken)).toBeUndefined();
    expect(await auth.enter('tom@example.org')).toMatchObject({ subject: tom.subject, organization: gamma.organization, role: 'operator' });
  });
});
