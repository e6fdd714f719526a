import type { AssertionExpectation } from '@rahat/contracts';

/** What a query answered: the first column of its first row, as PostgreSQL writes it, or how many rows there are. */
export type Answer = { kind: 'value'; rows: number; text: string | null } | { kind: 'rows'; count: number };

/** Long values are cut before they are compared, and shorter still before they are told. */
export const LONGEST_VALUE = 1000;
const LONGEST_TOLD = 120;

/** The sentence is complete but for whose it is. */
export function judgeAnswer(expect: AssertionExpectation, answer: Answer): { passed: boolean; message: string } {
  if (answer.kind === 'rows') {
    const passed = expect.kind === 'rows' && isWithin(answer.count, expect);
    return told(passed, `${inWords(expect)} rows`, String(answer.count));
  }
  if (answer.rows !== 1) return told(false, `one row with ${inWords(expect)}`, answer.rows === 0 ? 'no row' : 'more than one row');
  return told(matches(expect, answer.text), inWords(expect), answer.text === null ? 'NULL' : shortened(answer.text));
}

function matches(expect: AssertionExpectation, text: string | null): boolean {
  if (expect.kind !== 'value') return text !== null && isNumber(text) && isWithin(Number(text), expect);
  const { equals } = expect;
  if (text === null || equals === null) return text === equals;
  if (typeof equals === 'number') return isNumber(text) && Number(text) === equals;
  return text === String(equals);
}

function isNumber(text: string): boolean {
  return text.trim() !== '' && Number.isFinite(Number(text));
}

function isWithin(value: number, { min = -Infinity, max = Infinity }: { min?: number; max?: number }): boolean {
  return value >= min && value <= max;
}

function inWords(expect: AssertionExpectation): string {
  if (expect.kind === 'value') return expect.equals === null ? 'NULL' : shortened(String(expect.equals));
  const { min, max } = expect;
  if (min === max) return String(min);
  if (max === undefined) return `at least ${min}`;
  return min === undefined ? `at most ${max}` : `${min} to ${max}`;
}

function told(passed: boolean, expected: string, found: string): { passed: boolean; message: string } {
  return { passed, message: `expected ${expected}, found ${found}` };
}

function shortened(text: string): string {
  return text.length <= LONGEST_TOLD ? text : `${text.slice(0, LONGEST_TOLD)}…`;
}
