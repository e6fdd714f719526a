import { sessionsEnd, type Client } from '@rahat/api-client';
import { RahatError } from '@rahat/contracts';
import { askEmail } from '../terminal/ask-email.js';
import { askSecret } from '../terminal/ask-secret.js';
import { clientAt, openApi } from './api.js';
import { logInByPassword } from './password-log-in.js';

export interface PersonalOptions {
  email?: string;
  passwordStdin: boolean;
}

export interface PersonalApi extends AsyncDisposable {
  /** What ends the session in the end; its tokens may be replaced meanwhile. */
  client: Client;
  url: string;
}

/**
 * A client that acts as the person, because an API key may neither make keys nor own organizations. Where the login of this
 * machine is an API key, the password is asked for, and the session ends with the command.
 */
export async function openPersonalApi(options: PersonalOptions & { password?: string }): Promise<PersonalApi> {
  const { login } = await openApi({ anonymous: true });
  if (login.token !== undefined && !login.token.startsWith('rhb_')) {
    const { client } = await openApi();
    return { client, url: login.url, [Symbol.asyncDispose]: async () => undefined };
  }
  const email = options.email ?? (await askEmail(needsYou()));
  const password =
    options.password ?? (await askSecret({ label: 'Your password', variable: 'RAHAT_PASSWORD', fromStdin: options.passwordStdin }));
  const { client: anonymous } = await openApi({ anonymous: true });
  const { accessToken } = await logInByPassword(anonymous, { email, password });
  const personal = {
    client: clientWith(login.url, accessToken),
    url: login.url,
    async [Symbol.asyncDispose]() {
      await sessionsEnd({ client: personal.client });
    },
  };
  return personal;
}

export function clientWith(url: string, token: string): Client {
  return clientAt(url, { authorization: `Bearer ${token}` });
}

function needsYou(): RahatError {
  return new RahatError('invalid_input', 'This needs you, and not an API key.', {
    hint: 'Give --email, and RAHAT_PASSWORD or --password-stdin.',
  });
}
