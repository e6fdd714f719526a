import { writeFile } from 'node:fs/promises';
import os from 'node:os';
import { parseArgs } from 'node:util';
import { RahatError } from '@rahat/contracts';
import { resultTable, type BenchResult } from './result-table.js';

export interface BenchOptions {
  runs: number;
  /** Size of the sample database, in MB. */
  sizeMb: number;
  log(line: string): void;
}

const SUITES: Record<string, () => Promise<(options: BenchOptions) => Promise<BenchResult[]>>> = {
  main: async () => (await import('./suites/main-suite.js')).mainSuite,
  start: async () => (await import('./suites/start-suite.js')).startSuite,
};

const { values } = parseArgs({
  options: {
    suite: { type: 'string', default: 'main' },
    runs: { type: 'string', default: '3' },
    size: { type: 'string', default: '1000' },
    json: { type: 'string' },
    gate: { type: 'boolean', default: false },
  },
});

const names = values.suite.split(',');
const unknown = names.filter((name) => !(name in SUITES));
if (unknown.length > 0) throw new RahatError('invalid_input', `There is no suite ${unknown.join(', ')}.`, { hint: `Suites: ${Object.keys(SUITES).join(', ')}.` });

const results: BenchResult[] = [];
for (const name of names) {
  const suite = await SUITES[name]!();
  results.push(...(await suite({ runs: Number(values.runs), sizeMb: Number(values.size), log: (line) => process.stderr.write(`${line}\n`) })));
}
console.log(resultTable(results));
if (values.json) {
  const machine = { cpu: os.cpus()[0]?.model, cores: os.availableParallelism(), memoryGb: Math.round(os.totalmem() / 1e9), node: process.version };
  await writeFile(values.json, `${JSON.stringify({ machine, runs: Number(values.runs), results }, null, 2)}\n`);
}
if (values.gate && results.some(({ met }) => met !== true)) process.exitCode = 1;
