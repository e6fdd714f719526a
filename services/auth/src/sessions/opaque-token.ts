import { createHash, randomBytes } from 'node:crypto';

/** What the browser's cookie and a refresh token start with, so that each is refused in the other's place. */
export const COOKIE_PREFIX = 'rhs_';
export const REFRESH_PREFIX = 'rhr_';
/** Of a log-in whose second factor is due, and of a device that waits to be let in: neither is a credential. */
export const CHALLENGE_PREFIX = 'rhc_';
export const DEVICE_PREFIX = 'rhd_';
/** Of links that somebody hands over: an invitation, and a reset of a password. */
export const INVITATION_PREFIX = 'rhi_';
export const RESET_PREFIX = 'rhp_';
type Prefix =
  | typeof COOKIE_PREFIX
  | typeof REFRESH_PREFIX
  | typeof CHALLENGE_PREFIX
  | typeof DEVICE_PREFIX
  | typeof INVITATION_PREFIX
  | typeof RESET_PREFIX;

export function newOpaqueToken(prefix: Prefix): string {
  return prefix + randomBytes(32).toString('base64url');
}

/** 256 random bits need no slow hash. */
export function tokenHash(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
