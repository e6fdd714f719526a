import { createHash, randomInt } from 'node:crypto';

/** Without 0/O and 1/I: it is read from a console. 16 signs of 32 are 80 bits. */
const ALPHABET = 'ABCDEFGHJKLMNPQRSTUVWXYZ23456789';

export const SETUP_TOKEN_MINUTES = 30;

export function newSetupToken(): string {
  const group = () => Array.from({ length: 4 }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');
  return [group(), group(), group(), group()].join('-');
}

/** Case, spaces and dashes don't count: people type it. */
export function setupTokenHash(token: string): Buffer {
  return createHash('sha256')
    .update(token.toUpperCase().replaceAll(/[^A-Z0-9]/g, ''))
    .digest();
}
