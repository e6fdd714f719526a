import { createHash, randomInt } from 'node:crypto';

/** Without 0/O and 1/I: it is read from a console or a print. Each sign is 5 bits. */
const ALPHABET = 'ABCDEFGHJKLMNPQRSTUVWXYZ23456789';
/** RFC 8628 §6.1: without vowels, so that no code is a word. Each sign is 4.3 bits. */
export const CONSONANTS = 'BCDFGHJKLMNPQRSTVWXZ';

/** Groups of four signs: `ABCD-EFGH`. */
export function newTypedCode(groups: number, alphabet = ALPHABET): string {
  const group = () => Array.from({ length: 4 }, () => alphabet[randomInt(alphabet.length)]).join('');
  return Array.from({ length: groups }, group).join('-');
}

/** Case, spaces and dashes don't count: people type it. */
export function typedCodeHash(code: string): Buffer {
  return createHash('sha256')
    .update(code.toUpperCase().replaceAll(/[^A-Z0-9]/g, ''))
    .digest();
}
