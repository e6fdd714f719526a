import { apiKeysRevoke, meGet, sessionsEnd, setupCreate, type Client, type TokenPair } from '@rahat/api-client';
import { RahatError } from '@rahat/contracts';
import { answer, openApi } from '../session/api.js';
import { logInByDeviceCode } from '../session/device-log-in.js';
import { makeMachineKey } from '../session/machine-key.js';
import { logInByPassword } from '../session/password-log-in.js';
import { clientWith } from '../session/personal-api.js';
import { findLogin, forgetLogin, keepLogin } from '../session/settings.js';
import { askEmail } from '../terminal/ask-email.js';
import { askSecret } from '../terminal/ask-secret.js';
import { visible } from '../terminal/format.js';
import type { Terminal } from '../terminal/terminal.js';

export interface LoginOptions {
  url?: string;
  email?: string;
  setup: boolean;
  name?: string;
  organization?: string;
  password: boolean;
  passwordStdin: boolean;
}

/** Keeps an API key, not the session: parallel commands then never race for a refresh token. */
export async function login(terminal: Terminal, options: LoginOptions): Promise<void> {
  const { client, login: found } = await openApi({ anonymous: true, url: options.url });
  const session = wantsPassword(options) ? await openSession(client, options) : await logInByDeviceCode(terminal, client, found.url);
  const personal = clientWith(found.url, session.accessToken);
  try {
    const me = await answer(meGet({ client: personal }));
    const key = await makeMachineKey(personal);
    const place = await keepLogin(found.url, key.secret);
    const data = { url: found.url, user: me.id, name: me.name, organization: me.organization, apiKey: key.id };
    terminal.result(data, `Logged in at ${found.url} as ${visible(me.name)}. The key is kept in ${place}.`);
  } finally {
    // It has served; whoever finds its tokens later shall not find an open door.
    await sessionsEnd({ client: personal });
  }
}

/** Ends the key itself, too: what is forgotten here must not work elsewhere. */
export async function logout(terminal: Terminal): Promise<void> {
  const found = await findLogin();
  const id = found.tokenFrom === 'environment' ? undefined : apiKeyIdIn(found.token);
  const revoked = id !== undefined && (await revoke(id));
  await forgetLogin();
  const told =
    id === undefined || revoked
      ? 'Logged out.'
      : 'Logged out here. The platform did not revoke the key: `rahat-backup api-key revoke` does.';
  terminal.result({ apiKey: id ?? null, revoked }, told);
}

export async function whoAmI(terminal: Terminal): Promise<void> {
  const { client, login: found } = await openApi();
  const me = await answer(meGet({ client }));
  const kind = me.kind === 'api-key' ? 'the API key ' : '';
  terminal.result(
    { url: found.url, ...me },
    `${kind}${visible(me.name)} (${me.id}), ${me.role} of ${visible(me.organization.name)} at ${found.url}`,
  );
}

async function openSession(client: Client, options: LoginOptions): Promise<TokenPair> {
  const email = options.email ?? (await askEmail(new RahatError('invalid_input', 'E-mail is needed.', { hint: 'Give --email.' })));
  const token = options.setup ? await askSecret({ label: 'One-time set-up token', variable: 'RAHAT_SETUP_TOKEN' }) : undefined;
  const password = await askSecret({
    label: options.setup ? 'New password (12 characters or more)' : 'Password',
    variable: 'RAHAT_PASSWORD',
    fromStdin: options.passwordStdin,
  });
  if (token === undefined) return logInByPassword(client, { email, password });
  return answer(
    setupCreate({
      client,
      body: { token, email, password, name: options.name ?? email, organization: options.organization ?? 'My organization' },
    }),
  );
}

/** Whoever gives a part of it means a log-in by password; else a browser is asked, which knows passkeys and identity providers too. */
function wantsPassword(options: LoginOptions): boolean {
  const given = process.env['RAHAT_PASSWORD'] ?? process.env['RAHAT_PASSWORD_FILE'];
  return options.password || options.setup || options.passwordStdin || options.email !== undefined || given !== undefined;
}

function apiKeyIdIn(token: string | undefined): string | undefined {
  const id = /^rhb_([0-9a-f]{32})_/.exec(token ?? '')?.[1];
  return id && `key_${id}`;
}

async function revoke(id: string): Promise<boolean> {
  const { client } = await openApi();
  const { response } = await apiKeysRevoke({ client, path: { id } });
  return response?.ok ?? false;
}
