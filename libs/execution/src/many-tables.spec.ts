import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Evidence, RunSpec } from '@rahat/contracts';
import { type PostgresqlServer, startPostgresql } from '@rahat/test-servers';
import { runProcess } from './index.js';
import { connectionTo, createGrantedRepository, type GrantedRepository, RUN_CHILD, runHead } from './testing/run-parts.js';

const TABLES = 20_000;
/** The worker's own default: who needs more dies. `npm run bench -- --suite main` measures the rest. */
const HEAP_MB = 192;

let folder: string;
let server: PostgresqlServer;
let granted: GrantedRepository;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rahat-many-tables-'));
  // A dump holds a lock on every table at once.
  server = await startPostgresql({ major: 15, settings: { max_locks_per_transaction: '256', max_wal_size: '4GB' } });
  await server.query('CREATE DATABASE many');
  await Promise.all([makeTables(0, TABLES / 2), makeTables(TABLES / 2, TABLES)]);
  granted = await createGrantedRepository(folder);
}, 300_000);
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
}, 300_000);

async function makeTables(from: number, to: number): Promise<void> {
  const client = await server.connect('many');
  try {
    // A transaction of all of them would need as many locks; a column without a limit would give each two more files.
    for (let first = from; first < to; first += 1_000) {
      await client.query(`DO $$ BEGIN FOR n IN ${first}..${Math.min(first + 1_000, to) - 1} LOOP
        EXECUTE format('CREATE TABLE t%s (id int PRIMARY KEY, note varchar(32))', n); EXECUTE format('INSERT INTO t%s VALUES (%s, md5(%L))', n, n, n);
      END LOOP; END $$`);
    }
  } finally {
    await client.end();
  }
}

async function runInChild(change: Pick<RunSpec, 'type'> & Record<string, unknown>): Promise<Evidence> {
  const scratchFolder = join(folder, `scratch-${change.type}`);
  await mkdir(scratchFolder, { mode: 0o700 });
  const { execArgv, env } = runProcess(HEAP_MB);
  const child = fork(RUN_CHILD, [], { execArgv, env: { ...process.env, ...env } });
  const secrets = granted.secrets(change.type === 'backup' ? 'write-only' : 'read', connectionTo(server));
  child.send({ spec: { ...runHead(), ...change }, secrets, scratchFolder });
  const ended = once(child, 'exit');
  const told = await Promise.race([once(child, 'message'), ended]);
  const report = told[0] as { evidence?: Evidence; error?: unknown } | number | null;
  await ended;
  if (typeof report !== 'object' || !report?.evidence) throw new Error(`The child gave no evidence: ${JSON.stringify(report)}`);
  return report.evidence;
}

it('backs up, proves and restores a database of 20,000 tables within the heap of a run', async () => {
  const snapshot = randomBytes(16).toString('hex');
  const backup = await runInChild({ type: 'backup', method: 'postgresql.logical', database: { name: 'many' }, snapshot, deep: false });
  if (backup.type !== 'backup') throw new Error('expected the evidence of a backup');
  expect(backup).toMatchObject({ rows: TABLES, committed: true, objectsFound: backup.objectsExpected });

  const proof = await runInChild({ type: 'verification', level: 'DATABASE', snapshot });
  expect(proof).toMatchObject({ findings: [], objectsChecked: TABLES + 3, objectsExpected: TABLES + 3 });

  const target = { kind: 'database', name: 'again', replace: false };
  const restored = await runInChild({ type: 'restore', snapshot, target, intoExisting: false, noOwner: false, noAcl: false });
  if (restored.type !== 'restore') throw new Error('expected the evidence of a restore');
  expect(restored).toMatchObject({ target: 'again', rows: TABLES });
  expect(restored.tables).toHaveLength(TABLES);
  expect(restored.tables.filter((table) => !table.matches)).toEqual([]);
  expect(await server.query("SELECT (SELECT note FROM t19999) = md5('19999') AS same", [], 'again')).toEqual([{ same: true }]);
}, 600_000);
