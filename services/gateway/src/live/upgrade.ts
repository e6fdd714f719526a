import type { IncomingMessage } from 'node:http';
import { RahatError } from '@rahat/contracts';
import { credentialOf, type Credential } from '../front-door/credential.js';

export const LIVE_PATH = '/api/v2/live';

export function isLiveUpgrade({ method, url = '', headers }: IncomingMessage): boolean {
  const path = url.split('?', 1)[0]!;
  return method === 'GET' && (path === LIVE_PATH || path === `${LIVE_PATH}/`) && headers.upgrade?.toLowerCase() === 'websocket';
}

/** As Express tells it (`trust proxy`): so many proxies in front of us are believed. */
export function addressOfUpgrade({ headers, socket }: IncomingMessage, trustedProxies: number): string {
  const told = String(headers['x-forwarded-for'] ?? '')
    .split(',')
    .map((address) => address.trim())
    .filter(Boolean);
  const chain = [socket.remoteAddress ?? 'unknown', ...told.toReversed()];
  return chain[Math.min(trustedProxies, chain.length - 1)]!;
}

/**
 * Browsers let any page open a WebSocket anywhere, with cookies and without asking us first (no CORS), but they always tell the page's
 * origin. So a session cookie counts only with ours.
 */
export function refuseForeignOrigin({ headers }: IncomingMessage, trustedProxies: number): void {
  if (credentialOf({ cookie: headers.cookie }).by !== 'cookie') return;
  const forwarded = trustedProxies > 0 ? headers['x-forwarded-host'] : undefined;
  const host = String(forwarded ?? headers.host ?? '').split(',', 1)[0]!;
  const site = headers['sec-fetch-site'];
  if (hostOf(headers.origin) !== host.trim().toLowerCase() || (site !== undefined && site !== 'same-origin'))
    throw new RahatError('forbidden', 'This connection comes from a page of another site.');
}

/** What was sent on purpose with the connection wins, then a header, then the cookie. */
export function credentialOfSocket({ headers }: IncomingMessage, { token }: { token?: unknown }): Credential {
  if (token === undefined || token === null) return credentialOf(headers);
  return credentialOf({ authorization: `Bearer ${typeof token === 'string' ? token : ''}` });
}

function hostOf(origin: string | undefined): string | undefined {
  return origin !== undefined && URL.canParse(origin) ? new URL(origin).host : undefined;
}
