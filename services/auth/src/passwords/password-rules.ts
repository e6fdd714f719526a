/** What the password must not be made of. */
export interface PersonalWords {
  email: string;
  name: string;
  organizations: readonly string[];
}

export type PasswordWeakness = 'common' | 'repetition' | 'sequence' | 'personal';

/** Digits and signs around a common word that don't make it a better password: a year, a month, `!!`. */
const MOST_ORNAMENT = 8;
const SHORTEST_WORD = 4;
/** What a repeated part must be longer than to be worth something. */
const SHORT_PART = 6;
const OF_THE_PRODUCT = ['rahat', 'backup'];
const LOOKS_LIKE: Record<string, string> = { '@': 'a', '4': 'a', '3': 'e', '1': 'i', '!': 'i', '0': 'o', $: 's', '5': 's', '7': 't' };

/** Why a password is easy to guess, or undefined. `isCommon` knows the list of common passwords, which is in lower case. */
export function weaknessOf(password: string, personal: PersonalWords, isCommon: (word: string) => boolean): PasswordWeakness | undefined {
  const text = password.normalize('NFKC').toLowerCase();
  if (isSequence(text)) return 'sequence';
  if (isRepetition(text, isCommon)) return 'repetition';
  if (isOrnamented(text, isCommon)) return 'common';
  const spellings = [...new Set([text, plainly(text)])];
  if (spellings.some((spelling) => isPair(spelling, isCommon))) return 'common';
  if (spellings.some((spelling) => isMadeOf(spelling, wordsOf(personal), isCommon))) return 'personal';
  return undefined;
}

/** `abcdefgh…`, `9876…`, `aaaa…`: nearly each sign follows from the one before. */
function isSequence(text: string): boolean {
  let foreseen = 0;
  for (let at = 1; at < text.length; at++) if (Math.abs(text.charCodeAt(at) - text.charCodeAt(at - 1)) <= 1) foreseen++;
  return foreseen >= (text.length - 1) * 0.8;
}

function isRepetition(text: string, isCommon: (word: string) => boolean): boolean {
  const period = (text + text).indexOf(text, 1);
  return period < text.length && (period <= SHORT_PART || isCommon(text.slice(0, period)));
}

function isOrnamented(text: string, isCommon: (word: string) => boolean): boolean {
  const word = text.replace(/^[^\p{L}]+|[^\p{L}]+$/gu, '');
  const hasWord = word.length >= SHORTEST_WORD && text.length - word.length <= MOST_ORNAMENT;
  return [text, ...(hasWord ? [word] : [])].some((spelling) => isCommon(spelling) || isCommon(plainly(spelling)));
}

/** `p@$$w0rd` as it is read. */
function plainly(text: string): string {
  return [...text].map((sign) => LOOKS_LIKE[sign] ?? sign).join('');
}

/** Two common ones, whatever is between them. */
function isPair(text: string, isCommon: (word: string) => boolean): boolean {
  const letters = text.replace(/[^\p{L}\p{N}]/gu, '');
  for (let at = SHORTEST_WORD; at <= letters.length - SHORTEST_WORD; at++)
    if (isCommon(letters.slice(0, at)) && isCommon(letters.slice(at))) return true;
  return false;
}

/** Nothing much is left when what everybody knows of the person is taken out. */
function isMadeOf(text: string, words: readonly string[], isCommon: (word: string) => boolean): boolean {
  const letters = text.replace(/[^\p{L}\p{N}]/gu, '');
  let rest = letters;
  for (const word of words) rest = rest.replaceAll(word, '');
  if (rest === letters) return false;
  const left = rest.replace(/\p{N}/gu, '');
  return left.length < SHORT_PART || isCommon(left);
}

/** The longest first, because a shorter one may be part of it. */
function wordsOf({ email, name, organizations }: PersonalWords): string[] {
  const texts = [
    email,
    ...email.split(/[@.+]/),
    name,
    ...name.split(/\s+/),
    ...organizations.flatMap((text) => [text, ...text.split(/\s+/)]),
  ];
  const words = [...texts, ...OF_THE_PRODUCT].map((text) =>
    text
      .normalize('NFKC')
      .toLowerCase()
      .replace(/[^\p{L}\p{N}]/gu, ''),
  );
  return [...new Set(words)].filter((word) => word.length >= SHORTEST_WORD).sort((a, b) => b.length - a.length);
}
