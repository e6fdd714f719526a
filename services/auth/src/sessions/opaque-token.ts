import { createHash, randomBytes } from 'node:crypto';

/** What the browser's cookie and a refresh token start with, so that each is refused in the other's place. */
export const COOKIE_PREFIX = 'rhs_';
export const REFRESH_PREFIX = 'rhr_';

export function newOpaqueToken(prefix: typeof COOKIE_PREFIX | typeof REFRESH_PREFIX): string {
  return prefix + randomBytes(32).toString('base64url');
}

/** 256 random bits need no slow hash. */
export function tokenHash(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
