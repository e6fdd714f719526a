import type { ServerResponse } from 'node:http';
import type { AuthConfig } from '../config.js';
import { SESSION_DAYS } from './session-issuer.js';

export const SESSION_COOKIE = 'rahat_session';

export function setSessionCookie(response: ServerResponse, config: AuthConfig, value: string): void {
  response.setHeader('set-cookie', cookie(config, value, SESSION_DAYS * 86_400));
}

export function clearSessionCookie(response: ServerResponse, config: AuthConfig): void {
  response.setHeader('set-cookie', cookie(config, '', 0));
}

function cookie(config: AuthConfig, value: string, maxAgeSeconds: number): string {
  const secure = config.RAHAT_PUBLIC_URL?.startsWith('https:') ? '; Secure' : '';
  return `${SESSION_COOKIE}=${value}; Path=/; Max-Age=${maxAgeSeconds}; HttpOnly; SameSite=Strict${secure}`;
}
