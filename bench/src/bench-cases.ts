import { RahatError } from '@rahat/contracts';
import type { BenchOptions } from './bench-options.js';
import type { BenchResult } from './result-table.js';

export type BenchCase = (options: BenchOptions) => Promise<BenchResult[]>;

/** Those that `--cases` names, or all, one after the other. */
export async function playCases(cases: Record<string, BenchCase>, options: BenchOptions): Promise<BenchResult[]> {
  const names = options.cases ?? Object.keys(cases);
  const unknown = names.filter((name) => !Object.hasOwn(cases, name));
  if (unknown.length > 0)
    throw new RahatError('invalid_input', `There is no case ${unknown.join(', ')}.`, { hint: `Cases: ${Object.keys(cases).join(', ')}.` });
  const results: BenchResult[] = [];
  for (const name of names) results.push(...(await cases[name]!(options)));
  return results;
}
