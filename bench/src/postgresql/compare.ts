import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { RahatError, type PostgresqlConnection } from '@rahat/contracts';
import { runProcess } from '@rahat/execution';
import { startPostgresql } from '@rahat/test-servers';
import { backUpInChild } from '../backup-in-child.js';
import { USUAL_SIZE_MB, type BenchOptions } from '../bench-options.js';
import { runMeasured, type Usage } from '../repository/measured-process.js';
import { median, ratioOf, type BenchResult } from '../result-table.js';
import { sampleStatements } from '../sample-database.js';

const CHILD = fileURLToPath(new URL('./compare-child.js', import.meta.url));
/** The worker's own default for a run. */
const HEAP_MB = 192;
const SHARE_TARGET = 0.5;
const MEMORY_TARGET_MB = 400;

interface Compared {
  ms: number;
  readBytes: number;
  undoBytes: number;
  tables: { name: string; inserted: number; deleted: number; changed: number }[];
}
type Measured<T> = Usage & { facts: T };

/** One row in a hundred changed: among the newest, as days of work do it, or everywhere. */
const CHANGES: { name: string; where: (column: string, rows: number) => string; target: boolean }[] = [
  { name: '1 % of rows changed, the newest', where: (column, rows) => `${column} > ${Math.round(rows * 0.99)}`, target: true },
  { name: '1 % of rows changed, evenly scattered', where: (column) => `${column} % 100 = 0`, target: false },
];

/** A row-level comparison of two backups beside reading both of them. */
export async function compareCase({ runs, sizeMb = USUAL_SIZE_MB, log }: BenchOptions): Promise<BenchResult[]> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'rahat-bench-compare-'));
  await using server = await startPostgresql({ major: 15, settings: { max_wal_size: '4GB' } });
  const connection: PostgresqlConnection = {
    host: server.host,
    port: server.port,
    user: server.user,
    password: server.password,
    maintenanceDatabase: 'postgres',
    tls: 'disable',
  };
  try {
    const results: BenchResult[] = [];
    for (const [number, change] of CHANGES.entries()) {
      const database = `sample_${number}`;
      const repository = path.join(folder, `repository-${number}`);
      log(`making a ${sizeMb} MB database, ${change.name} …`);
      await server.query(`CREATE DATABASE ${database}`);
      for (const statement of sampleStatements(sizeMb)) await server.query(statement, [], database);
      await child('make', repository);
      await backUpInChild({ connection, database, repository, create: false });
      const changed = await changeRows((sql) => server.query(sql, [], database), change.where);
      await backUpInChild({ connection, database, repository, create: false });
      results.push(...(await measure(`${sizeMb} MB, ${change.name}`, repository, changed, change.target, runs, log)));
      await rm(repository, { recursive: true });
      await server.query(`DROP DATABASE ${database}`);
    }
    return results;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function changeRows(
  query: (sql: string) => Promise<Record<string, unknown>[]>,
  where: (column: string, rows: number) => string,
): Promise<Record<string, number>> {
  const changed: Record<string, number> = {};
  for (const [table, key, set] of [
    ['accounts', 'aid', 'abalance = abalance + 1'],
    ['events', 'id', "note = note || '!'"],
  ] as const) {
    const [{ rows } = { rows: 0 }] = (await query(`SELECT max(${key})::int AS rows FROM ${table}`)) as { rows: number }[];
    const [{ n } = { n: 0 }] = (await query(
      `WITH u AS (UPDATE ${table} SET ${set} WHERE ${where(key, rows)} RETURNING 1) SELECT count(*)::int AS n FROM u`,
    )) as { n: number }[];
    changed[table] = n;
  }
  return changed;
}

async function measure(
  name: string,
  repository: string,
  changed: Record<string, number>,
  hasTarget: boolean,
  runs: number,
  log: (line: string) => void,
): Promise<BenchResult[]> {
  const [ours, reading, peaks]: [number[], number[], number[]] = [[], [], []];
  let last: Compared | undefined;
  for (let run = 0; run <= runs; run++) {
    const read = await child<{ ms: number; readBytes: number }>('read', repository);
    const compared = await child<Compared>('compare', repository);
    last = compared.facts;
    assertAllFound(last, changed);
    log(
      `${run === 0 ? 'warm-up' : `run ${run}`}: compared in ${seconds(last.ms)} (${mb(last.readBytes)} read, undo of ${mb(last.undoBytes)}, peak ${compared.peakMb.toFixed(0)} MB), both read in ${seconds(read.facts.ms)} (${mb(read.facts.readBytes)})`,
    );
    if (run === 0) continue;
    ours.push(last.ms / 1000);
    reading.push(read.facts.ms / 1000);
    peaks.push(compared.peakMb);
  }
  const ratio = ratioOf(ours, reading);
  return [
    {
      case: `row-level compare with undo, ${name}`,
      ours: median(ours),
      theirs: median(reading),
      unit: 's',
      peer: 'reading both',
      ratio,
      target: hasTarget ? `≤ ${SHARE_TARGET} × reading both` : '–',
      met: hasTarget ? ratio.median <= SHARE_TARGET : 'not measured',
      note: `${mb(last?.readBytes ?? 0)} read`,
    },
    {
      case: `row-level compare with undo, ${name}: peak memory`,
      ours: Math.max(...peaks),
      unit: 'MB',
      target: `< ${MEMORY_TARGET_MB} MB`,
      met: Math.max(...peaks) < MEMORY_TARGET_MB,
    },
  ];
}

/** A comparison that found something else measured nothing. */
function assertAllFound({ tables }: Compared, changed: Record<string, number>): void {
  const found = Object.fromEntries(tables.map((table) => [table.name, table.changed]));
  const wrong = Object.keys(changed).some((table) => found[table] !== changed[table]);
  if (wrong || tables.some(({ inserted, deleted }) => inserted + deleted > 0))
    throw new RahatError('internal', `The comparison found ${JSON.stringify(tables)} where ${JSON.stringify(changed)} rows changed.`);
}

async function child<T>(command: string, repository: string): Promise<Measured<T>> {
  const { execArgv, env } = runProcess(HEAP_MB, 'reads');
  const usage = await runMeasured({ program: process.execPath, args: [...execArgv, CHILD, command, repository], env });
  return { ...usage, facts: JSON.parse(usage.output || '{}') as T };
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`;
const mb = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;
