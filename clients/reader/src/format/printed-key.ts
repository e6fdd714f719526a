import { createHash } from 'node:crypto';

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
/** 40 bits: 4 bytes of the key and one that checks them. */
const GROUP_CHARACTERS = 8;
const CHECKSUM_BYTES = 4;

/** A key as a person typed it from paper. Gives a text where it is none: what is wrong, and in which group. */
export function readPrintedKey(text: string, domain: string, keyBytes: number): Buffer | string {
  const characters = text
    .normalize('NFKC')
    .replace(/^\s*\d+[.)]/gm, '')
    .replace(/[([][^)\]]*[)\]]/g, '') // check words
    .replace(/[\s.,:\p{Pd}]/gu, '')
    .replace(/[Iıİl]/gi, '1')
    .toUpperCase()
    .replaceAll('O', '0');
  const groups = (keyBytes + CHECKSUM_BYTES) / 4;
  // What was typed is a secret, perhaps a passphrase: nothing of it goes into the text.
  if (characters.length !== groups * GROUP_CHARACTERS) return `it does not have ${groups} groups of ${GROUP_CHARACTERS} characters`;
  const bytes: Buffer[] = [];
  for (let group = 0; group < groups; group++) {
    const part = characters.slice(group * GROUP_CHARACTERS, (group + 1) * GROUP_CHARACTERS);
    const digits = [...part].map((character) => ALPHABET.indexOf(character));
    const value = digits.reduce((sum, digit) => sum * 32 + digit, 0);
    const four = Buffer.alloc(4);
    if (!digits.includes(-1)) four.writeUInt32BE(Math.floor(value / 256));
    const check = createHash('sha256').update(Buffer.concat([Buffer.from(`${domain}/group`), Buffer.from([group]), four]));
    if (digits.includes(-1) || check.digest()[0] !== value % 256) return `group ${group + 1} has a typing error`;
    bytes.push(four);
  }
  const whole = Buffer.concat(bytes);
  const key = whole.subarray(0, keyBytes);
  const checksum = createHash('sha256').update(domain).update(key).digest().subarray(0, CHECKSUM_BYTES);
  return whole.subarray(keyBytes).equals(checksum) ? key : 'its groups are right one by one but not together';
}
