import { hostname } from 'node:os';
import { apiKeysCreate, sessionsCreate, setupCreate } from '@rahat/api-client';
import { RahatError } from '@rahat/contracts';
import { answer, openApi } from '../session/api.js';
import { forgetLogin, keepLogin } from '../session/settings.js';
import { askSecret } from '../terminal/ask-secret.js';
import type { Terminal } from '../terminal/terminal.js';

export interface LoginOptions {
  url?: string;
  email?: string;
  setup: boolean;
  name?: string;
  organization?: string;
  passwordStdin: boolean;
}

/** Keeps an API key, not the session: parallel commands then never race for a refresh token. */
export async function login(terminal: Terminal, options: LoginOptions): Promise<void> {
  const { client, login: found } = await openApi({ anonymous: true, url: options.url });
  const email = options.email ?? (await askText('E-mail'));
  const token = options.setup ? await askSecret({ label: 'One-time set-up token', variable: 'RAHAT_SETUP_TOKEN' }) : undefined;
  const password = await askSecret({
    label: options.setup ? 'New password (12 characters or more)' : 'Password',
    variable: 'RAHAT_PASSWORD',
    fromStdin: options.passwordStdin,
  });

  const session =
    token === undefined
      ? await answer(sessionsCreate({ client, body: { email, password } }))
      : await answer(
          setupCreate({
            client,
            body: { token, email, password, name: options.name ?? email, organization: options.organization ?? 'My organization' },
          }),
        );
  const key = await answer(
    apiKeysCreate({
      client,
      headers: { authorization: `Bearer ${session.accessToken}` },
      body: { name: `CLI on ${hostname()}`, scopes: ['*'] },
    }),
  );
  const place = await keepLogin(found.url, key.secret);
  terminal.result({ url: found.url, email, apiKey: key.id }, `Logged in at ${found.url} as ${email}. The key is kept in ${place}.`);
}

export async function logout(terminal: Terminal): Promise<void> {
  await forgetLogin();
  terminal.result({}, 'Logged out here. Revoke the key itself with `rahat-backup api-key revoke`.');
}

async function askText(message: string): Promise<string> {
  if (!process.stdin.isTTY) throw new RahatError('invalid_input', `${message} is needed.`, { hint: 'Give --email.' });
  const { text, isCancel } = await import('@clack/prompts');
  const given = await text({ message, output: process.stderr });
  if (isCancel(given)) throw new RahatError('cancelled', 'Cancelled.');
  return given;
}
