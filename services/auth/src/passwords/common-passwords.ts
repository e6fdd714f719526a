import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';

/** 49,233 passwords of known breaches, the most used first, in lower case (MIT). */
const LIST = '@zxcvbn-ts/language-common/src/passwords.json';
/** What stands between two entries is none. */
const IN_THE_LIST = /^[^"\\]*[\p{L}\p{N}][^"\\]*$/u;
/** Longer than any of them; a longer text needs no search. */
const LONGEST = 40;

/**
 * Read each time and not kept: passwords are set rarely, and half a megabyte of text is read in a millisecond, while a set of
 * as many strings would lie in memory for ever.
 */
export async function openCommonPasswords(): Promise<(word: string) => boolean> {
  const list = await readFile(createRequire(import.meta.url).resolve(LIST), 'utf8');
  return (word) => word.length <= LONGEST && IN_THE_LIST.test(word) && list.includes(`"${word}"`);
}
