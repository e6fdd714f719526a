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
import type { Terminal } from '../terminal/terminal.js';

export async function listUsers(terminal: Terminal): Promise<void> {
  const users = await loadUsers(await openApi());
  terminal.result(
    users,
    table(
      ['NAME', 'E-MAIL', 'ROLE', 'SEEN', 'ID'],
      users.map(({ name, email, role, lastSeenAt, id }) => [name, email, role, age(lastSeenAt), id]),
    ),
  );
}

export async function showUser(terminal: Terminal, wanted: string): Promise<void> {
  const user = await findUser(await openApi(), wanted);
  terminal.result(
    user,
    `${visible(user.name)} <${visible(user.email)}>, ${user.role} since ${user.joinedAt}, seen ${age(user.lastSeenAt)} (${user.id})`,
  );
}

export async function inviteUser(terminal: Terminal, email: string, { role }: { role: string }): Promise<void> {
  const { client } = await openApi();
  const invitation = await answer(invitationsCreate({ client, body: { email, role: role as Role } }));
  terminal.result(
    invitation,
    `Hand this token to ${visible(email)}; it is shown this once and works once, until ${invitation.expiresAt}:\n${invitation.token}\nThey join with: rahat-backup user accept`,
  );
}

export async function listInvitations(terminal: Terminal): Promise<void> {
  const invitations = await loadInvitations(await openApi());
  terminal.result(
    invitations,
    table(
      ['E-MAIL', 'ROLE', 'STATE', 'BY', 'EXPIRES', 'ID'],
      invitations.map(({ email, role, state, invitedBy, expiresAt, id }) => [email, role, state, invitedBy.name, age(expiresAt), id]),
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

export async function setRole(terminal: Terminal, wanted: string, role: string): Promise<void> {
  const api = await openApi();
  const { id } = await findUser(api, wanted);
  const user = await answer(usersUpdate({ client: api.client, path: { id }, body: { role: role as Role } }));
  terminal.result(user, `${visible(user.name)} is ${user.role} now.`);
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

/** By e-mail, name, id or the beginning of one. */
async function findUser(api: Pick<Api, 'client'>, wanted: string): Promise<User> {
  const users = await loadUsers(api);
  return users.find(({ email }) => email.toLowerCase() === wanted.toLowerCase()) ?? resolve('user', wanted, users);
}

const loadUsers = (api: Pick<Api, 'client'>): Promise<User[]> =>
  allPages((cursor) => answer(usersList({ client: api.client, query: { cursor, limit: 200 } })));

const loadInvitations = (api: Pick<Api, 'client'>): Promise<Invitation[]> =>
  allPages((cursor) => answer(invitationsList({ client: api.client, query: { cursor, limit: 200 } })));
