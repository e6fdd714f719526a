import { createHash, randomBytes } from 'node:crypto';

/** What the browser's cookie and a refresh token start with, so that each is refused in the other's place. */
export const COOKIE_PREFIX = 'rhs_';
export const REFRESH_PREFIX = 'rhr_';
/** Of a log-in whose second factor is due, and of a device that waits to be let in: neither is a credential. */
export const CHALLENGE_PREFIX = 'rhc_';
export const DEVICE_PREFIX = 'rhd_';
type Prefix = typeof COOKIE_PREFIX | typeof REFRESH_PREFIX | typeof CHALLENGE_PREFIX | typeof DEVICE_PREFIX;

export function newOpaqueToken(prefix: Prefix): string {
  return prefix + randomBytes(32).toString('base64url');
}

/** 256 random bits need no slow hash. */
export function tokenHash(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
