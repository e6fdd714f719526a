import { createHash, randomBytes } from 'node:crypto';

/** What invitations and resets start with, so that each is refused in the other's place and found by secret scanners. */
export const INVITATION_PREFIX = 'rhi_';
export const RESET_PREFIX = 'rhp_';

export function newLinkToken(prefix: typeof INVITATION_PREFIX | typeof RESET_PREFIX): { token: string; hash: Buffer } {
  const token = prefix + randomBytes(32).toString('base64url');
  return { token, hash: linkTokenHash(token) };
}

/** 256 random bits need no slow hash. */
export function linkTokenHash(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
