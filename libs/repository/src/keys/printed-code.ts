import { createHash } from 'node:crypto';
import { RahatError } from '@rahat/contracts';

/** What is printed: a recovery key (32 bytes) or one share of one (4 bytes of where it belongs, then 32). */
export type PrintedKind = 'recovery-key' | 'key-share';
export interface PrintedGroup {
  /** `7K3M-Q9ZD`: 32 bits of the secret and 8 of their check, in Crockford's base 32. */
  characters: string;
  /** Five letters that can be spoken; 16 further bits of the group's check. */
  checkWord: string;
}

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const GROUP_BYTES = 4;
const GROUP_CHARACTERS = 8;
const PAYLOAD_BYTES: Record<PrintedKind, number> = { 'recovery-key': 32, 'key-share': 36 };
const NAMES: Record<PrintedKind, string> = { 'recovery-key': 'recovery key', 'key-share': 'share' };

/** Groups of the payload, then one more that holds 32 bits of the whole's hash. */
export function printCode(kind: PrintedKind, payload: Buffer): PrintedGroup[] {
  if (payload.length !== PAYLOAD_BYTES[kind]) throw new RahatError('internal', `A ${NAMES[kind]} has ${PAYLOAD_BYTES[kind]} bytes.`);
  const whole = Buffer.concat([payload, wholeCheck(kind, payload)]);
  return Array.from({ length: whole.length / GROUP_BYTES }, (_, group) => {
    const bytes = whole.subarray(group * GROUP_BYTES, (group + 1) * GROUP_BYTES);
    const check = groupCheck(kind, group, bytes);
    const characters = encode(Buffer.concat([bytes, check.subarray(0, 1)]));
    return { characters: `${characters.slice(0, 4)}-${characters.slice(4)}`, checkWord: pronounceable(check.readUInt16BE(1)) };
  });
}

/** One line that can be typed, scanned and kept in a password manager. */
export function codeLine(groups: PrintedGroup[]): string {
  return groups.map(({ characters }) => characters).join(' ');
}

/**
 * Reads what a person typed or scanned: in any case, with any separators, with or without line numbers and check words in brackets;
 * letters that look like digits are taken for them. Throws `recovery_key_mistyped` with the numbers of the wrong groups, never their text.
 */
export function readCode(kind: PrintedKind, typed: string): Buffer {
  const { groups, words } = splitGroups(kind, typed);
  const wrong: number[] = [];
  const parts = groups.map((characters, group) => {
    const bytes = decode(characters);
    const check = bytes && groupCheck(kind, group, bytes.subarray(0, GROUP_BYTES));
    const word = words.get(group);
    const right = check && bytes[GROUP_BYTES] === check[0] && (word === undefined || word === pronounceable(check.readUInt16BE(1)));
    if (!right) wrong.push(group + 1);
    return bytes?.subarray(0, GROUP_BYTES) ?? Buffer.alloc(GROUP_BYTES);
  });
  if (wrong.length === 1) throw mistyped(kind, `group ${wrong[0]} has a typing mistake`);
  if (wrong.length > 1) throw mistyped(kind, `groups ${wrong.join(', ')} have typing mistakes`);
  const whole = Buffer.concat(parts);
  const payload = whole.subarray(0, PAYLOAD_BYTES[kind]);
  if (!wholeCheck(kind, payload).equals(whole.subarray(PAYLOAD_BYTES[kind])))
    throw mistyped(kind, 'its last group, the check of the whole, does not fit the others');
  return Buffer.from(payload);
}

function splitGroups(kind: PrintedKind, typed: string): { groups: string[]; words: Map<number, string> } {
  const expected = PAYLOAD_BYTES[kind] / GROUP_BYTES + 1;
  const words = new Map<number, string>();
  const pieces: string[] = [];
  let characters = 0;
  for (const line of typed.normalize('NFKC').split(/\r?\n/)) {
    for (const [token] of line.replace(/^\s*\d{1,2}[.)]\s/, '').matchAll(/\([^)]*\)|[^\s\p{Dash_Punctuation}.,:;()]+/gu)) {
      if (token.startsWith('(')) {
        const group = Math.ceil(characters / GROUP_CHARACTERS) - 1;
        if (group >= 0) words.set(group, token.slice(1, -1).trim().toLowerCase());
        continue;
      }
      pieces.push(likeDigits(token));
      characters += token.length;
    }
  }
  const joined = pieces.join('');
  if (joined.length === expected * GROUP_CHARACTERS) {
    return { groups: joined.match(new RegExp(`[^]{${GROUP_CHARACTERS}}`, 'g')) ?? [], words };
  }
  throw mistyped(kind, uneven(pieces, expected));
}

/** Where separators were typed, the group that is too short or too long can be named. */
function uneven(pieces: string[], expected: number): string {
  let filled = 0;
  let group = 1;
  for (const piece of pieces) {
    filled += piece.length;
    if (filled < GROUP_CHARACTERS && piece.length % (GROUP_CHARACTERS / 2) === 0) continue;
    if (filled !== GROUP_CHARACTERS) return `group ${group} has not the right number of characters (${GROUP_CHARACTERS})`;
    filled = 0;
    group++;
  }
  return `it must have ${expected} groups of ${GROUP_CHARACTERS} characters`;
}

/** The letters that the alphabet leaves out because they look like digits; İ and ı come from Turkish keyboards. */
function likeDigits(token: string): string {
  return token.toUpperCase().replaceAll('O', '0').replace(/[ILİ]/g, '1');
}

function encode(bytes: Buffer): string {
  const bits = BigInt(`0x${bytes.toString('hex')}`);
  return Array.from({ length: GROUP_CHARACTERS }, (_, i) => ALPHABET[Number((bits >> BigInt(35 - i * 5)) & 31n)]).join('');
}

function decode(characters: string): Buffer | undefined {
  let bits = 0n;
  for (const character of characters) {
    const value = ALPHABET.indexOf(character);
    if (value < 0) return undefined;
    bits = (bits << 5n) | BigInt(value);
  }
  return Buffer.from(bits.toString(16).padStart(10, '0'), 'hex');
}

/** The group's place is part of its check, so that exchanged groups are found. */
function groupCheck(kind: PrintedKind, group: number, bytes: Buffer): Buffer {
  return createHash('sha256')
    .update(`rahat/1/${kind}/group`)
    .update(Buffer.from([group]))
    .update(bytes)
    .digest();
}

function wholeCheck(kind: PrintedKind, payload: Buffer): Buffer {
  return createHash('sha256').update(`rahat/1/${kind}`).update(payload).digest().subarray(0, GROUP_BYTES);
}

/** Proquints (Wilkerson, arXiv 0901.4016): 16 bits as consonant, vowel, consonant, vowel, consonant. */
function pronounceable(bits: number): string {
  const consonant = (shift: number): string => 'bdfghjklmnprstvz'[(bits >> shift) & 15]!;
  const vowel = (shift: number): string => 'aiou'[(bits >> shift) & 3]!;
  return `${consonant(12)}${vowel(10)}${consonant(6)}${vowel(4)}${consonant(0)}`;
}

function mistyped(kind: PrintedKind, what: string): RahatError {
  return new RahatError('recovery_key_mistyped', `The ${NAMES[kind]} was not typed as it was printed: ${what}.`);
}
