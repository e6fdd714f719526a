import type { IncomingHttpHeaders } from 'node:http';
import { RahatError } from '@rahat/contracts';
import { cookieIn } from '@rahat/service-kit';

export const SESSION_COOKIE = 'rahat_session';
/** What a session cookie's value starts with; the cookie's value is no bearer credential, nor the other way round. */
const COOKIE_VALUE = /^rhs_[\w-]{20,}$/;
const BEARER = /^Bearer ([\x21-\x7e]{1,4096})$/i;

export type Credential = { by: 'nothing' } | { by: 'bearer'; text: string } | { by: 'cookie'; text: string };

/** A bearer credential wins over a cookie, because only it was sent on purpose. */
export function credentialOf(headers: IncomingHttpHeaders): Credential {
  if (headers.authorization !== undefined) {
    const text = BEARER.exec(headers.authorization)?.[1];
    if (text === undefined || COOKIE_VALUE.test(text)) {
      throw new RahatError('unauthenticated', 'The Authorization header is not understood.', {
        hint: 'Send "Authorization: Bearer" with an access token or an API key.',
      });
    }
    return { by: 'bearer', text };
  }
  const text = cookieIn(headers.cookie, SESSION_COOKIE);
  return text !== undefined && COOKIE_VALUE.test(text) ? { by: 'cookie', text } : { by: 'nothing' };
}
