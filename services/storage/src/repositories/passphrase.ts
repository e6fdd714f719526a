import { randomInt } from 'node:crypto';

/** Without 0/O and 1/I/L: it will be written on paper. */
const ALPHABET = 'ABCDEFGHJKMNPQRSTUVWXYZ23456789';

/** Seven groups of four out of 31 signs: 138 bits. */
export function newPassphrase(): string {
  const group = () => Array.from({ length: 4 }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');
  return Array.from({ length: 7 }, group).join('-');
}
