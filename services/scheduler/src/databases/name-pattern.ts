/** `*` stands for any text, `?` for one character, everything else for itself. Never slower than length times length, whatever the pattern. */
export function matchesPattern(name: string, pattern: string): boolean {
  const [text, wanted] = [[...name], [...pattern]];
  let [at, next] = [0, 0];
  let star: { pattern: number; text: number } | undefined;
  while (at < text.length) {
    if (wanted[next] === '*') {
      star = { pattern: next, text: at };
      next += 1;
    } else if (next < wanted.length && (wanted[next] === '?' || wanted[next] === text[at])) {
      at += 1;
      next += 1;
    } else if (star) {
      // The last star takes one character more.
      star.text += 1;
      at = star.text;
      next = star.pattern + 1;
    } else return false;
  }
  return wanted.slice(next).every((character) => character === '*');
}
