/** Everything of ASCII that is neither letter nor digit, as the database's `search_words` has it; what is not ASCII is part of a word. */
// eslint-disable-next-line no-control-regex
const SEPARATORS = /[\u0000-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u007f]+/;
const MOST_WORDS = 10;

/** As words of a tsquery: each must occur, or begin a word that occurs. */
export function searchedWords(text: string): string[] {
  return text
    .split(SEPARATORS)
    .filter((word) => word !== '')
    .slice(0, MOST_WORDS)
    .map((word) => `${word}:*`);
}
