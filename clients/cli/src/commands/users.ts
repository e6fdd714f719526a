import {
  invitationsCreate,
  invitationsList,
  invitationsRevoke,
  usersList,
  usersRemove,
  usersResetLink,
  usersSecondFactorsRemove,
  usersSessionsEnd,
  usersSessionsList,
  usersUpdate,
  type Invitation,
  type User,
} from '@rahat/api-client';
import type { Role } from '@rahat/contracts';
import { answer, openApi, type Api } from '../session/api.js';
import { allPages } from '../session/pages.js';
import { openPersonalApi, type PersonalOptions } from '../session/personal-api.js';
import { resolve } from '../session/resolve.js';
import { age, table, visible } from '../terminal/format.js';
import { limitIn, limitWords, type LimitOptions } from './role-limits.js';
import type { Terminal } from '../terminal/terminal.js';

export async function listUsers(terminal: Terminal): Promise<void> {
  const api = await openApi();
  const users = await loadUsers(api);
  const limit = await limitWords(api);
  terminal.result(
    users,
    table(
      ['NAME', 'E-MAIL', 'ROLE', 'SERVER GROUPS', 'SEEN', 'ID'],
      users.map(({ name, email, role, serverGroups, lastSeenAt, id }) => [name, email, role, limit(serverGroups), age(lastSeenAt), id]),
    ),
  );
}

export async function showUser(terminal: Terminal, wanted: string): Promise<void> {
  const api = await openApi();
  const user = await findUser(api, wanted);
  terminal.result(
    user,
    `${visible(user.name)} <${visible(user.email)}>, ${await roleInWords(api, user)} since ${user.joinedAt}, seen ${age(user.lastSeenAt)} (${user.id})`,
  );
}

export async function inviteUser(terminal: Terminal, email: string, options: LimitOptions & { role: string }): Promise<void> {
  const api = await openApi();
  const body = { email, role: options.role as Role, serverGroups: await limitIn(api, options) };
  const invitation = await answer(invitationsCreate({ client: api.client, body }));
  terminal.result(
    invitation,
    `Hand this token to ${visible(email)}; it is shown this once and works once, until ${invitation.expiresAt}:\n${invitation.token}\nThey join with: rahat-backup user accept`,
  );
}

export async function listInvitations(terminal: Terminal): Promise<void> {
  const api = await openApi();
  const invitations = await loadInvitations(api);
  const limit = await limitWords(api);
  terminal.result(
    invitations,
    table(
      ['E-MAIL', 'ROLE', 'SERVER GROUPS', 'STATE', 'BY', 'EXPIRES', 'ID'],
      invitations.map(({ email, role, serverGroups, state, invitedBy, expiresAt, id }) => [
        email,
        role,
        limit(serverGroups),
        state,
        invitedBy.name,
        age(expiresAt),
        id,
      ]),
    ),
  );
}

export async function revokeInvitation(terminal: Terminal, wanted: string): Promise<void> {
  const api = await openApi();
  const open = (await loadInvitations(api)).filter(({ state }) => state === 'open');
  const { id, name } = resolve(
    'open invitation',
    wanted,
    open.map(({ id, email }) => ({ id, name: email })),
  );
  await answer(invitationsRevoke({ client: api.client, path: { id } }));
  terminal.result({ id, email: name }, `The invitation of ${visible(name)} is revoked.`);
}

export async function setRole(terminal: Terminal, wanted: string, role: string, options: LimitOptions): Promise<void> {
  const api = await openApi();
  const { id } = await findUser(api, wanted);
  const body = { role: role as Role, serverGroups: await limitIn(api, options) };
  const user = await answer(usersUpdate({ client: api.client, path: { id }, body }));
  terminal.result(user, `${visible(user.name)} is ${await roleInWords(api, user)} now.`);
}

export async function removeUser(terminal: Terminal, wanted: string): Promise<void> {
  const api = await openApi();
  const { id, email } = await findUser(api, wanted);
  await answer(usersRemove({ client: api.client, path: { id } }));
  terminal.result({ id, email }, `${visible(email)} is removed. Their sessions and the keys they made end within 10 seconds.`);
}

export async function makeResetLink(terminal: Terminal, wanted: string): Promise<void> {
  const api = await openApi();
  const { id, email } = await findUser(api, wanted);
  const link = await answer(usersResetLink({ client: api.client, path: { id } }));
  terminal.result(
    link,
    `Hand this token to ${visible(email)}; it is shown this once and works once, until ${link.expiresAt}:\n${link.token}\nThey set a password with: rahat-backup user new-password`,
  );
}

/** Nobody does this by an API key: it takes you, and a fresh proof. */
export async function removeSecondFactors(terminal: Terminal, wanted: string, options: PersonalOptions): Promise<void> {
  await using personal = await openPersonalApi(options);
  const { id, email } = await findUser(personal, wanted);
  await answer(usersSecondFactorsRemove({ client: personal.client, path: { id } }));
  terminal.result({ id, email }, `${visible(email)} logs in with the password alone from now on; their sessions have ended.`);
}

export async function showSessions(terminal: Terminal, wanted: string, { end }: { end: boolean }): Promise<void> {
  const api = await openApi();
  const { id, email } = await findUser(api, wanted);
  if (end) {
    const ended = await answer(usersSessionsEnd({ client: api.client, path: { id } }));
    terminal.result(ended, `${ended.ended} sessions of ${visible(email)} ended.`);
    return;
  }
  const sessions = await allPages((cursor) =>
    answer(usersSessionsList({ client: api.client, path: { id }, query: { cursor, limit: 200 } })),
  );
  terminal.result(
    sessions,
    table(
      ['ADDRESS', 'BEGUN', 'SEEN', 'WITH', 'ID'],
      sessions.map((session) => [session.address, age(session.createdAt), age(session.lastSeenAt), session.userAgent ?? '–', session.id]),
    ),
  );
}

async function roleInWords(api: Api, { role, serverGroups }: User): Promise<string> {
  return serverGroups === null ? role : `${role} within ${(await limitWords(api))(serverGroups)}`;
}

/** By e-mail, name, id or the beginning of one. */
async function findUser(api: Pick<Api, 'client'>, wanted: string): Promise<User> {
  const users = await loadUsers(api);
  return users.find(({ email }) => email.toLowerCase() === wanted.toLowerCase()) ?? resolve('user', wanted, users);
}

const loadUsers = (api: Pick<Api, 'client'>): Promise<User[]> =>
  allPages((cursor) => answer(usersList({ client: api.client, query: { cursor, limit: 200 } })));

const loadInvitations = (api: Pick<Api, 'client'>): Promise<Invitation[]> =>
  allPages((cursor) => answer(invitationsList({ client: api.client, query: { cursor, limit: 200 } })));
