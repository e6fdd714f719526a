import { RahatError } from '@rahat/contracts';

/** How the front door treats a request, by its path alone. Express matches paths without case and trailing slash, so we do too. */
export type Door =
  /** Between services: PrincipalGuard demands a service's principal there, so the header stays. */
  | 'internal'
  /** Every step of every way in, refresh, set-up, invitations and resets: no credential is looked at, tries are counted. */
  | 'entrance'
  /** A device asks whether it was let in: the same, but it asks every few seconds and is counted apart. */
  | 'waiting-room'
  /** Readable by everybody. */
  | 'public'
  /** Servers push their log there with a token that only its owner knows: it is passed on. */
  | 'push'
  | 'api';

/** POST to them is a try to get in. */
const ENTRANCES = new Set([
  '/api/v2/sessions',
  '/api/v2/sessions/refresh',
  '/api/v2/sessions/second-factor',
  '/api/v2/sessions/passkey',
  '/api/v2/sessions/passkey/options',
  '/api/v2/device-logins',
  '/api/v2/setup',
  '/api/v2/invitations/look',
  '/api/v2/invitations/accept',
  '/api/v2/password-resets',
]);
/** A browser is sent to an identity provider, and comes back from it. */
const SIGN_ON = /^\/api\/v2\/sign-on\/[^/]+\/(start|callback)$/;

export function doorOf(method: string, url: string): Door {
  const path = pathOf(url);
  if (path.startsWith('/internal/')) return 'internal';
  if (method.toUpperCase() === 'POST' && ENTRANCES.has(path)) return 'entrance';
  if (SIGN_ON.test(path)) return 'entrance';
  if (method.toUpperCase() === 'POST' && path === '/api/v2/device-logins/token') return 'waiting-room';
  if (method.toUpperCase() === 'PUT' && path.startsWith('/api/v2/log-pushes/')) return 'push';
  if (
    !path.startsWith('/api/') ||
    path === '/api/v2/setup' ||
    path === '/api/openapi.json' ||
    path === '/api/docs' ||
    path.startsWith('/api/docs/')
  )
    return 'public';
  return 'api';
}

/** No path of ours needs a NUL, and what can't be decoded is nobody's; neither shall become somebody's internal error. */
export function refuseUnreadablePath(url: string): void {
  try {
    if (!decodeURIComponent(url.split('?', 1)[0]!).includes('\0')) return;
  } catch {
    // Told below, as for a NUL.
  }
  throw new RahatError('malformed_request', 'The path of the request cannot be read.');
}

/** Its answers tell the limits. */
export function isOfApi(url: string): boolean {
  return pathOf(url).startsWith('/api/');
}

export function pathOf(url: string): string {
  const path = url.split('?', 1)[0]!.toLowerCase().replace(/\/+$/, '');
  return path === '' ? '/' : path;
}
