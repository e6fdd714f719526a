import { RahatError } from '@rahat/contracts';

export type Token =
  | { kind: 'word'; text: string; at: number }
  | { kind: 'name'; text: string; at: number }
  | { kind: 'string'; text: string; at: number }
  | { kind: 'number'; text: string; at: number }
  | { kind: 'sign'; text: string; at: number }
  | { kind: 'end'; text: ''; at: number };

/** The longer ones first. */
const SIGNS = ['->>', '!~*', '::', '<=', '>=', '<>', '!=', '||', '->', '@>', '<@', '&&', '~*', '!~', '(', ')', '[', ']', ',']
  .concat(['=', '<', '>', '+', '-', '*', '/', '%', '~'])
  .map((text) => ({ text }));
const WORD = /[A-Za-z_\u0080-\uffff][A-Za-z0-9_$\u0080-\uffff]*/y;
const NUMBER = /(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![A-Za-z0-9_.])/y;
const STRING = /'((?:[^']|'')*)'/y;
const NAME = /"((?:[^"]|"")+)"/y;

/** Cuts a condition into tokens. Whatever SQL has besides (comments, semicolons, other quotes) is none, and refused. */
export function tokensOf(condition: string): Token[] {
  if (condition.includes('\0')) throw wrong(condition, condition.indexOf('\0'), 'a zero byte');
  const tokens: Token[] = [];
  for (let at = 0; ;) {
    while (/\s/.test(condition[at] ?? '')) at++;
    if (at >= condition.length) return [...tokens, { kind: 'end', text: '', at }];
    if (condition.startsWith('--', at) || condition.startsWith('/*', at)) throw wrong(condition, at, 'a comment');
    const found = tokenAt(condition, at);
    if (!found) throw wrong(condition, at, `'${condition[at]}'`);
    tokens.push(found.token);
    at = found.end;
  }
}

function tokenAt(condition: string, at: number): { token: Token; end: number } | undefined {
  const match = (pattern: RegExp): RegExpExecArray | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(condition) ?? undefined;
  };
  const string = match(STRING);
  if (string) return { token: { kind: 'string', text: string[1]!.replaceAll("''", "'"), at }, end: at + string[0].length };
  const name = match(NAME);
  if (name) return { token: { kind: 'name', text: name[1]!.replaceAll('""', '"'), at }, end: at + name[0].length };
  const number = match(NUMBER);
  if (number) return { token: { kind: 'number', text: number[0], at }, end: at + number[0].length };
  const word = match(WORD);
  // Of `E'…'`, `U&'…'` and their kind the prefix would change what the quotes mean.
  if (word && /^['"&]/.test(condition.slice(at + word[0].length))) return undefined;
  if (word) return { token: { kind: 'word', text: word[0], at }, end: at + word[0].length };
  const sign = SIGNS.find(({ text }) => condition.startsWith(text, at));
  return sign && { token: { kind: 'sign', text: sign.text, at }, end: at + sign.text.length };
}

export function wrong(condition: string, at: number, what: string): RahatError {
  return new RahatError('invalid_input', `The condition can't be used: ${what} at character ${at + 1} of "${condition}"`, {
    hint: "A condition compares columns with constants: customer_id = 7 AND at >= date '2026-01-01'. See docs/PARTIAL_RESTORE.md for all that it may hold.",
  });
}
