import { invitationsAccept, invitationsLook, mePasswordChange, passwordResetsUse } from '@rahat/api-client';
import { answer, openApi } from '../session/api.js';
import { openPersonalApi, type PersonalOptions } from '../session/personal-api.js';
import { askNewSecret, askSecret } from '../terminal/ask-secret.js';
import { visible } from '../terminal/format.js';
import type { Terminal } from '../terminal/terminal.js';

const NEW_PASSWORD = { label: 'New password (12 characters or more)', variable: 'RAHAT_NEW_PASSWORD' };

export async function acceptInvitation(terminal: Terminal, options: { url?: string; name?: string }): Promise<void> {
  const { client, login } = await openApi({ anonymous: true, url: options.url });
  const token = await askSecret({ label: 'Token of the invitation', variable: 'RAHAT_LINK_TOKEN' });
  const { email, role, organization, accountExists } = await answer(invitationsLook({ client, body: { token } }));
  terminal.say(`${visible(organization.name)} invites ${visible(email)} as ${role}.`);
  const password = accountExists
    ? await askSecret({ label: `Your password (${email} has an account)`, variable: 'RAHAT_PASSWORD' })
    : await askNewSecret(NEW_PASSWORD);
  const name = accountExists ? undefined : (options.name ?? email);
  const accepted = await answer(invitationsAccept({ client, body: { token, name, password } }));
  terminal.result(accepted, `Welcome. Log in with: rahat-backup login --url ${login.url} --email ${email}`);
}

export async function setNewPassword(terminal: Terminal, options: { url?: string }): Promise<void> {
  const { client } = await openApi({ anonymous: true, url: options.url });
  const token = await askSecret({ label: 'Token of the reset link', variable: 'RAHAT_LINK_TOKEN' });
  const password = await askNewSecret(NEW_PASSWORD);
  await answer(passwordResetsUse({ client, body: { token, password } }));
  terminal.result({}, 'The password is set; all sessions have ended.');
}

export async function changePassword(terminal: Terminal, options: PersonalOptions): Promise<void> {
  const currentPassword = await askSecret({ label: 'Your present password', variable: 'RAHAT_PASSWORD', fromStdin: options.passwordStdin });
  await using api = await openPersonalApi({ ...options, password: currentPassword });
  const newPassword = await askNewSecret(NEW_PASSWORD);
  await answer(mePasswordChange({ client: api.client, body: { currentPassword, newPassword } }));
  terminal.result({}, 'The password is changed; your other sessions have ended.');
}
