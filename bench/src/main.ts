import { writeFile } from 'node:fs/promises';
import os from 'node:os';
import { parseArgs } from 'node:util';
import { RahatError } from '@rahat/contracts';
import type { BenchOptions } from './bench-options.js';
import { resultTable, type BenchResult } from './result-table.js';

const SUITES: Record<string, () => Promise<(options: BenchOptions) => Promise<BenchResult[]>>> = {
  main: async () => (await import('./suites/main-suite.js')).mainSuite,
  start: async () => (await import('./suites/start-suite.js')).startSuite,
  collection: async () => (await import('./suites/collection-suite.js')).collectionSuite,
  index: async () => (await import('./suites/index-suite.js')).indexSuite,
  repository: async () => (await import('./suites/repository-suite.js')).repositorySuite,
  stream: async () => (await import('./suites/stream-suite.js')).streamSuite,
  orchestration: async () => (await import('./suites/orchestration-suite.js')).orchestrationSuite,
  api: async () => (await import('./suites/api-suite.js')).apiSuite,
  postgresql: async () => (await import('./suites/postgresql-suite.js')).postgresqlSuite,
  simulation: async () => (await import('./suites/simulation-suite.js')).simulationSuite,
};

process.once('uncaughtException', (error) => {
  const { code, message, hint, stack } = RahatError.from(error);
  process.stderr.write(`✗ ${code === 'internal' ? (error.stack ?? stack) : message}${hint ? ` ${hint}` : ''}\n`);
  process.exit(2);
});

const { values } = parseArgs({
  options: {
    suite: { type: 'string', default: 'main' },
    runs: { type: 'string', default: '3' },
    size: { type: 'string' },
    chunks: { type: 'string' },
    schedules: { type: 'string' },
    seed: { type: 'string' },
    cases: { type: 'string' },
    json: { type: 'string' },
    gate: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
  },
});

const names = values.suite.split(',');
const unknown = names.filter((name) => !(name in SUITES));
if (unknown.length > 0)
  throw new RahatError('invalid_input', `There is no suite ${unknown.join(', ')}.`, { hint: `Suites: ${Object.keys(SUITES).join(', ')}.` });
const runs = positive('runs', values.runs);
const sizeMb = values.size === undefined ? undefined : megabytes(values.size);

const chunks = values.chunks === undefined ? undefined : positive('chunks', values.chunks.replace(/m$/, '000000'));
const schedules = values.schedules === undefined ? undefined : positive('schedules', values.schedules);
const seed = values.seed === undefined ? undefined : positive('seed', values.seed);

const loadBefore = os.loadavg()[0]!;
const results: BenchResult[] = [];
for (const name of names) {
  const suite = await SUITES[name]!();
  const log = (line: string): unknown => process.stderr.write(`${line}\n`);
  results.push(...(await suite({ runs, sizeMb, quick: values.quick, chunks, schedules, seed, cases: values.cases?.split(','), log })));
}
const machine = {
  cpu: os.cpus()[0]?.model,
  cores: os.availableParallelism(),
  memoryGb: Math.round(os.totalmem() / 1e9),
  node: process.version,
  loadBefore,
};
console.log(resultTable(results));
console.log(
  `${machine.cores} cores, ${machine.memoryGb} GB, node ${machine.node}; load of the machine when it began: ${loadBefore.toFixed(2)}`,
);
if (values.json) {
  await writeFile(values.json, `${JSON.stringify({ machine, runs, results }, null, 2)}\n`);
}
const failed = results.filter(({ met, target }) => met === false || (values.gate && met === 'not measured' && target !== '–'));
if ((values.gate || values.quick) && failed.length > 0) process.exitCode = 1;

function positive(option: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new RahatError('invalid_input', `--${option} is a whole number above 0, not ${text}.`);
}

/** `1000`, `256m` or `4g`. */
function megabytes(text: string): number {
  const [, number, unit] = /^(\d+)([mg]?)$/.exec(text) ?? [];
  return positive('size', number === undefined ? text : String(Number(number) * (unit === 'g' ? 1000 : 1)));
}
