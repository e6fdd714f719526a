/** Everything of ASCII that is neither letter nor digit, as the database's `search_words` has it; what is not ASCII is part of a word. */
// eslint-disable-next-line no-control-regex
const SEPARATORS = /[\u0000-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u007f]+/;
const MOST_WORDS = 10;

/** The text of a tsquery: every word must occur, or begin a word that occurs. undefined where no word was given. */
export function searchedWords(text: string): string | undefined {
  const words = text.split(SEPARATORS).filter((word) => word !== '');
  return words.length === 0
    ? undefined
    : words
        .slice(0, MOST_WORDS)
        .map((word) => `${word}:*`)
        .join(' & ');
}
