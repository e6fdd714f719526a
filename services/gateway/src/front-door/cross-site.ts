import type { IncomingHttpHeaders } from 'node:http';
import { RahatError } from '@rahat/contracts';

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);

export function changesState(method: string): boolean {
  return !SAFE_METHODS.has(method.toUpperCase());
}

/**
 * A page of another site can't set this header without a CORS permission that we never give, and SameSite=Strict
 * keeps the cookie away from it; browsers that tell where a request comes from are believed as well.
 */
export function refuseForgedRequest(method: string, headers: IncomingHttpHeaders): void {
  if (!changesState(method)) return;
  if (headers['x-rahat-csrf'] === undefined)
    throw new RahatError('forbidden', 'A change with a session cookie needs the header x-rahat-csrf.', { hint: 'Send "x-rahat-csrf: 1".' });
  refuseForeignPage(method, headers);
}

/** Also for log-in and set-up, which have no cookie yet: nobody may be logged in by another site. */
export function refuseForeignPage(method: string, headers: IncomingHttpHeaders): void {
  const site = headers['sec-fetch-site'];
  if (changesState(method) && site !== undefined && site !== 'same-origin' && site !== 'none') {
    throw new RahatError('forbidden', 'This request comes from a page of another site.');
  }
}
