import type { IncomingMessage, ServerResponse } from 'node:http';
import { cookieIn } from '@rahat/service-kit';
import type { AuthConfig } from '../config.js';

const NAME = 'rahat_sign_on';

/** Lax, because the provider sends the browser back from its own site; and for our sign-on alone. */
export function setSignOnCookie(response: ServerResponse, config: AuthConfig, value: string): void {
  response.appendHeader('set-cookie', cookie(config, value, 600));
}

export function clearSignOnCookie(response: ServerResponse, config: AuthConfig): void {
  response.appendHeader('set-cookie', cookie(config, '', 0));
}

export function signOnCookieOf(request: IncomingMessage): string | undefined {
  return cookieIn(request.headers.cookie, NAME);
}

function cookie(config: AuthConfig, value: string, maxAgeSeconds: number): string {
  const secure = config.RAHAT_PUBLIC_URL?.startsWith('https:') ? '; Secure' : '';
  return `${NAME}=${value}; Path=/api/v2/sign-on; Max-Age=${maxAgeSeconds}; HttpOnly; SameSite=Lax${secure}`;
}
