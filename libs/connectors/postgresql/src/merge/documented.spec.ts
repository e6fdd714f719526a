import { readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { readCondition } from './condition.js';

const DOCUMENT = new URL('../../../../../docs/PARTIAL_RESTORE.md', import.meta.url);

describe('docs/PARTIAL_RESTORE.md', () => {
  let text: string;
  beforeAll(async () => {
    text = await readFile(DOCUMENT, 'utf8');
  });
  /** What stands in backticks in a line of the table of conditions. */
  const named = (line: string): string[] =>
    [...new RegExp(`^\\| ${line} +\\| (.*)\\|$`, 'm').exec(text)![1]!.matchAll(/`([^`]+)`/g)].map((match) =>
      match[1]!.replaceAll('\\|', '|'),
    );
  const reads = (condition: string) => () => readCondition(condition, ['id', 'customer_id', 'order_id']);

  it('names functions, constants and operators that a condition may hold', () => {
    const functions = named('functions')[0]!.split(' ');
    expect(functions.length).toBeGreaterThan(40);
    for (const name of functions) expect(reads(`${name}(id, 1) IS NULL`)).not.toThrow();
    for (const constant of named('constants')) expect(reads(`id = ${constant}`)).not.toThrow();
    for (const operator of named('operators')) expect(reads(`id ${operator} 1 IS NULL`)).not.toThrow();
    const signs = named('comparisons').filter((comparison) => /^\W+$/.test(comparison));
    expect(signs).toHaveLength(11);
    for (const sign of signs) expect(reads(`id ${sign} 1`)).not.toThrow();
  });

  it('shows conditions that can be used', () => {
    const shown = [...text.matchAll(/--rows '[^:']+: ([^']+)'/g)].map((match) => match[1]!);
    expect(shown.length).toBeGreaterThan(2);
    for (const condition of shown) expect(reads(condition)).not.toThrow();
  });
});
