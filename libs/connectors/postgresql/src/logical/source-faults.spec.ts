import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Job } from '@rahat/connector-kit';
import { startPostgresql, type PostgresqlServer } from '@rahat/test-servers';
import { postgresqlConnector } from '../connector.js';
import { ArtifactsInMemory, connectionTo, failureOf, quietJob } from '../physical/test-parts.js';

const BIN = '/usr/lib/postgresql/15/bin';
const ROWS = 60_000;
let server: PostgresqlServer;
let scratchFolder: string;

beforeAll(async () => {
  scratchFolder = mkdtempSync(join(tmpdir(), 'rahat-source-faults-'));
  server = await startPostgresql({ major: 15 });
  await server.query('CREATE DATABASE shop');
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(scratchFolder, { recursive: true, force: true });
});
beforeEach(async () => {
  await server.query(
    `DROP TABLE IF EXISTS sold, typed, packed; CREATE TABLE sold AS SELECT n AS id, repeat(md5(n::text), 4) AS note FROM generate_series(1, ${ROWS}) n;
     CREATE TABLE typed AS SELECT n AS id FROM generate_series(1, 9) n; CREATE TABLE packed AS SELECT n AS id FROM generate_series(1, 9) n`,
    [],
    'shop',
  );
});

/** A pg_dump before and after which something happens on its server; `$@` are its arguments. */
function dumpAround(name: string, { before = '', after = '', run = `${BIN}/pg_dump "$@"` }): string[] {
  const folder = join(scratchFolder, name);
  mkdirSync(folder);
  const sql = (text: string): string => (text === '' ? '' : `${BIN}/psql -qX -d shop -c '${text}' >&2 || exit 9`);
  const script = `#!/bin/bash\ncase "$*" in --version) exec ${BIN}/pg_dump --version;; esac\n${sql(before)}\n${run} || exit $?\n${sql(after)}\n`;
  writeFileSync(join(folder, 'pg_dump'), script);
  chmodSync(join(folder, 'pg_dump'), 0o755);
  return [folder];
}

async function backUp(
  toolFolders: string[] = [],
  deep = false,
  onPiece?: () => Promise<void> | void,
  job: Job = quietJob,
): Promise<ArtifactsInMemory> {
  await using session = await postgresqlConnector.open(connectionTo(server), { toolFolders, scratchFolder, signal: quietJob.signal });
  const backup = new ArtifactsInMemory();
  if (onPiece) backup.onPiece = onPiece;
  backup.facts = await session.backup({ method: 'postgresql.logical', database: 'shop', label: 'rahat-source', deep }, backup, job);
  return backup;
}

const rowsOf = (backup: ArtifactsInMemory, table: string) => backup.artifacts.find(({ key }) => key === `rows/public/${table}`)?.rows;

describe('a source that is changed while it is backed up', () => {
  it('keeps TRUNCATE, ALTER TABLE and VACUUM FULL waiting until the dump has ended, and lets an index be made', async () => {
    let changes: Promise<unknown>[] | undefined;
    const indexed: Promise<unknown>[] = [];
    const backup = await backUp([], false, undefined, {
      ...quietJob,
      progress: ({ phase }) => {
        if (changes || phase !== 'rows') return;
        changes = ['TRUNCATE sold', 'ALTER TABLE typed ALTER id TYPE bigint', 'VACUUM FULL packed'].map((sql) =>
          server.query(sql, [], 'shop'),
        );
        indexed.push(server.query('CREATE INDEX ON sold (note)', [], 'shop').catch(() => undefined));
      },
    });
    await Promise.all([...(changes ?? []), ...indexed]);
    expect(changes).toHaveLength(3);
    expect(backup.facts.findings).toEqual([]);
    expect(['sold', 'typed', 'packed'].map((table) => rowsOf(backup, table))).toEqual([ROWS, 9, 9]);
    expect(await server.query('SELECT count(*)::int AS left FROM sold', [], 'shop')).toEqual([{ left: 0 }]);
  });

  it('says which tables were emptied between its snapshot and its locks, and does not suspect VACUUM FULL', async () => {
    const before = 'TRUNCATE sold; ALTER TABLE typed ALTER id TYPE bigint; VACUUM FULL packed';
    const folders = dumpAround('emptied', {
      run: `for sql in ${before
        .split('; ')
        .map((sql) => `"${sql}"`)
        .join(' ')}; do ${BIN}/psql -qX -d shop -c "$sql" >&2 || exit 9; done; ${BIN}/pg_dump "$@"`,
    });
    const backup = await backUp(folders);
    expect(['sold', 'typed', 'packed'].map((table) => rowsOf(backup, table))).toEqual([0, 0, 9]);
    expect(backup.facts.findings.map(({ code, severity, object }) => `${severity} ${code} ${object}`)).toEqual([
      'gap table_rewritten_at_start public.sold',
      'gap table_rewritten_at_start public.typed',
    ]);
  });

  it('is not called damaged by a recount that comes after a TRUNCATE or a DROP', async () => {
    const backup = await backUp(dumpAround('recounted', { after: 'TRUNCATE sold; DROP TABLE typed' }), true);
    expect(['sold', 'typed', 'packed'].map((table) => rowsOf(backup, table))).toEqual([ROWS, 9, 9]);
    expect(backup.facts.findings.map(({ code, object }) => `${code} ${object}`).sort()).toEqual([
      'table_not_recounted public.sold',
      'table_not_recounted public.typed',
    ]);
  });

  it('fails with the cause where a lock is held for hours, and holds nobody up itself afterwards', async () => {
    const impatient = dumpAround('impatient', { run: `${BIN}/pg_dump "\${@/--lock-wait-timeout=*/--lock-wait-timeout=300}"` });
    const holder = await server.connect('shop');
    await holder.query('BEGIN; LOCK TABLE sold IN ACCESS EXCLUSIVE MODE');
    try {
      expect(await failureOf(backUp(impatient))).toMatchObject({
        code: 'tool_failed',
        retryable: true,
        message: expect.stringContaining('waited too long for a lock'),
        hint: expect.stringContaining('exclusive lock'),
      });
      expect(await server.query('SELECT FROM pg_locks WHERE NOT granted AND relation IS NOT NULL')).toEqual([]);
    } finally {
      await holder.end();
    }
    expect(rowsOf(await backUp(impatient), 'sold')).toBe(ROWS);
  });

  it('fails as one that can be tried again, whatever phase its server is killed in, and the next run is whole', async () => {
    const left = new Set(['globals', 'rows', 'recount']);
    while (left.size > 0) {
      let killed: { phase: string; gone: Promise<void> } | undefined;
      const job: Job = {
        ...quietJob,
        progress: ({ phase }) => {
          if (!killed && left.delete(phase)) killed = { phase, gone: server.kill9() };
        },
      };
      const error = await failureOf(backUp([], true, () => killed?.gone, job));
      expect([killed?.phase, error.code, error.retryable]).toEqual([
        killed?.phase,
        expect.stringMatching(/^source_(lost|unreachable)$/),
        true,
      ]);
      await killed?.gone;
      await server.restart();
    }
    expect(rowsOf(await backUp([], true), 'sold')).toBe(ROWS);
  });
});
