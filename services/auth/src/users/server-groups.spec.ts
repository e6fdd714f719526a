import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { CreatedApiKey, CreatedInvitation, Invitation, Principal, Role, User } from '@rahat/contracts';
import { PASSWORD, startTestAuth, type TestAuth } from '../testing/start-test-auth.js';

const [ACME, GLOBEX] = ['group_acme', 'group_globex'];

let auth: TestAuth;
/** An admin of the customer Acme. */
let acme: Awaited<ReturnType<TestAuth['enter']>>;
let everybody: Record<'viewer' | 'ofAcme' | 'ofGlobex', Awaited<ReturnType<TestAuth['enter']>>>;

const invite = (
  as: Principal,
  role: Role,
  serverGroups: string[] | null,
  email = `${role}.${serverGroups?.join('.') ?? 'all'}@example.org`,
) => auth.call('POST', '/api/v2/invitations', { email, role, serverGroups }, as);
async function join(as: Principal, role: Role, serverGroups: string[] | null) {
  const { body } = await invite(as, role, serverGroups);
  const { token, email } = body as CreatedInvitation;
  await auth.call('POST', '/api/v2/invitations/accept', { token, name: email, password: PASSWORD });
  return auth.enter(email);
}
const setRole = (as: Principal, user: string, change: object) => auth.call('PATCH', `/api/v2/users/${user}`, change, as);
const list = async <T>(path: string, as: Principal) => (await auth.call('GET', `/api/v2/${path}`, undefined, as)).body.data as T[];
const present = async (person: { accessToken: string }) => (await auth.authenticate(person.accessToken))!.serverGroups;

beforeAll(async () => {
  auth = await startTestAuth();
  acme = await join(auth.owner, 'admin', [ACME]);
  everybody = {
    viewer: await join(auth.owner, 'viewer', null),
    ofAcme: await join(acme, 'operator', [ACME]),
    ofGlobex: await join(auth.owner, 'operator', [GLOBEX]),
  };
}, 60_000);
afterAll(async () => auth?.[Symbol.asyncDispose]());

describe('a role within server groups', () => {
  it('is what the invited come in with, what their sessions say and what every key of theirs says', async () => {
    expect([acme.role, acme.serverGroups, await present(everybody.viewer)]).toEqual(['admin', [ACME], null]);
    expect((await auth.call('GET', '/api/v2/me', undefined, acme)).body).toMatchObject({ role: 'admin', serverGroups: [ACME] });
    const { body } = await auth.call('POST', '/api/v2/api-keys', { name: 'all of it', scopes: ['*'] }, everybody.ofAcme);
    expect(await auth.authenticate((body as CreatedApiKey).secret)).toMatchObject({ kind: 'api-key', serverGroups: [ACME] });
    expect(
      auth.acts.find(({ action, target }) => action === 'user.joined' && target.id === everybody.ofAcme.subject)?.details,
    ).toMatchObject({
      after: { role: 'operator', serverGroups: [ACME] },
    });
  });

  it('is for those alone who can be limited', async () => {
    for (const role of ['owner', 'auditor'] as const)
      expect(await invite(auth.owner, role, [ACME])).toMatchObject({ status: 422, body: { errors: [{ pointer: '#/serverGroups' }] } });
    expect((await invite(auth.owner, 'viewer', [])).status).toBe(422);
    expect((await setRole(auth.owner, everybody.ofAcme.subject, { role: 'auditor' })).status).toBe(422);
    const { data } = (await auth.call('GET', '/api/v2/roles', undefined, acme)).body;
    expect(data.filter(({ limitable }: { limitable: boolean }) => limitable).map(({ role }: { role: Role }) => role)).toEqual([
      'admin',
      'operator',
      'viewer',
    ]);
  });

  it('gives no role that reaches further, in role or in place', async () => {
    expect((await invite(acme, 'viewer', [ACME], 'v1@example.org')).status).toBe(201);
    expect((await invite(acme, 'viewer', [ACME, GLOBEX], 'v2@example.org')).status).toBe(403);
    expect((await invite(acme, 'viewer', null, 'v3@example.org')).status).toBe(403);
    expect((await setRole(acme, everybody.ofAcme.subject, { role: 'operator', serverGroups: null })).status).toBe(403);
    expect((await setRole(acme, everybody.ofAcme.subject, { role: 'operator', serverGroups: [GLOBEX] })).status).toBe(403);
    expect((await setRole(acme, acme.subject, { role: 'admin', serverGroups: null })).status).toBe(403);
    expect((await setRole(acme, everybody.ofAcme.subject, { role: 'viewer' })).body).toMatchObject({
      role: 'viewer',
      serverGroups: [ACME],
    });
    await setRole(acme, everybody.ofAcme.subject, { role: 'operator' });
  });

  it('knows of nobody beyond it: members, invitations, keys, sessions, ways back in', async () => {
    await invite(auth.owner, 'viewer', [GLOBEX], 'guest.globex@example.org');
    await auth.call('POST', '/api/v2/api-keys', { name: 'theirs', scopes: ['plan:read'] }, everybody.ofGlobex);
    expect((await list<User>('users', acme)).map(({ id }) => id)).toEqual([acme.subject, everybody.ofAcme.subject]);
    expect((await list<Invitation>('invitations', acme)).every(({ serverGroups }) => serverGroups?.join() === ACME)).toBe(true);
    expect((await list<CreatedApiKey>('api-keys', acme)).map(({ name }) => name)).toEqual(['all of it']);
    expect((await auth.call('GET', '/api/v2/organization', undefined, acme)).body.members).toBe(2);
    const [guest] = (await list<Invitation>('invitations', auth.owner)).filter(({ email }) => email === 'guest.globex@example.org');
    const [key] = (await list<CreatedApiKey>('api-keys', auth.owner)).filter(({ name }) => name === 'theirs');
    for (const person of [everybody.ofGlobex.subject, everybody.viewer.subject, auth.owner.subject])
      for (const [method, path, body] of [
        ['GET', `users/${person}`],
        ['PATCH', `users/${person}`, { role: 'viewer' }],
        ['DELETE', `users/${person}`],
        ['POST', `users/${person}/reset-link`],
        ['GET', `users/${person}/sessions`],
        ['DELETE', `users/${person}/sessions`],
        ['DELETE', `invitations/${guest!.id}`],
        ['GET', `api-keys/${key!.id}`],
        ['DELETE', `api-keys/${key!.id}`],
      ] as const)
        expect([method, path, (await auth.call(method, `/api/v2/${path}`, body, acme)).status]).toEqual([method, path, 404]);
    expect((await auth.call('PATCH', '/api/v2/organization', { name: 'Mine' }, acme)).status).toBe(403);
    expect((await auth.call('GET', '/api/v2/sign-on-providers', undefined, acme)).status).toBe(403);
  });

  it('is narrowed, moved and lifted at once, with what was given in its name, and the trail tells both', async () => {
    const chief = await join(auth.owner, 'admin', [ACME, GLOBEX]);
    const given = ((await invite(chief, 'viewer', [GLOBEX], 'late@example.org')).body as CreatedInvitation).id;
    expect((await setRole(auth.owner, chief.subject, { role: 'admin', serverGroups: [ACME] })).status).toBe(200);
    expect(await present(chief)).toEqual([ACME]);
    expect((await list<Invitation>('invitations', auth.owner)).find(({ id }) => id === given)?.state).toBe('revoked');
    expect(auth.acts.findLast(({ action }) => action === 'user.role_changed')?.details).toEqual({
      before: { serverGroups: [ACME, GLOBEX] },
      after: { serverGroups: [ACME] },
    });
    // What the token still says counts no more.
    expect((await invite(chief, 'viewer', [GLOBEX], 'later@example.org')).status).toBe(403);
    expect((await setRole(auth.owner, chief.subject, { role: 'auditor', serverGroups: null })).body).toMatchObject({
      role: 'auditor',
      serverGroups: null,
    });
    expect(await present(chief)).toBeNull();
  });
});
