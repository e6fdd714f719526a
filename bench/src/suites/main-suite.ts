import { mkdtemp, rm, stat } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { RahatError, type PostgresqlConnection } from '@rahat/contracts';
import { findTools } from '@rahat/connector-postgresql';
import { startPostgresql } from '@rahat/test-servers';
import { backUpInChild } from '../backup-in-child.js';
import { timeCommand } from '../time-command.js';
import { USUAL_SIZE_MB, type BenchOptions } from '../bench-options.js';
import { median, type BenchResult } from '../result-table.js';
import { manyTablesStatements, oneDayStatements, sampleStatements } from '../sample-database.js';

const MEMORY_TARGET_MB = 400;
const SECOND_BACKUP_TARGET = 0.15;
const MANY_TABLES = 20_000;

/** The main job's figures: speed against pg_dump, what a second backup stores, memory of a run's child. */
export async function mainSuite({ runs, sizeMb = USUAL_SIZE_MB, log }: BenchOptions): Promise<BenchResult[]> {
  const tools = (await findTools([])).find(({ pgDump, postgres }) => pgDump && postgres);
  if (!tools?.pgDump)
    throw new RahatError('tool_missing', 'The main suite needs a PostgreSQL server and pg_dump of one major version.', {
      hint: 'apt-get install postgresql',
    });
  const folder = await mkdtemp(path.join(os.tmpdir(), 'rahat-bench-'));
  // A dump of many tables holds a lock on every one of them.
  await using server = await startPostgresql({ major: 15, settings: { max_wal_size: '4GB', max_locks_per_transaction: '256' } });
  try {
    log(`making a ${sizeMb} MB database on PostgreSQL ${tools.version} …`);
    await server.query('CREATE DATABASE sample');
    for (const statement of sampleStatements(sizeMb)) await server.query(statement, [], 'sample');
    const connection: PostgresqlConnection = {
      host: server.host,
      port: server.port,
      user: server.user,
      password: server.password,
      maintenanceDatabase: 'postgres',
      tls: 'disable',
    };

    const ours: number[] = [];
    const theirs: number[] = [];
    let peakMb = 0;
    let first: Awaited<ReturnType<typeof backUpInChild>> | undefined;
    for (let run = 0; run <= runs; run += 1) {
      const repository = path.join(folder, `repository-${run}`);
      const backup = await backUpInChild({ connection, database: 'sample', repository, create: true });
      const dumpFile = path.join(folder, 'peer.dump');
      const dumpSeconds = await timeCommand(
        tools.pgDump,
        ['-Fc', '-Z5', '-f', dumpFile, '-h', server.host, '-p', String(server.port), '-U', server.user, 'sample'],
        server.password,
      );
      const dumpBytes = (await stat(dumpFile)).size;
      log(
        `${run === 0 ? 'warm-up' : `run ${run}`}: ours ${backup.seconds.toFixed(1)} s, ${(backup.addedBytes / 1e6).toFixed(0)} MB stored, peak ${backup.peakMb.toFixed(0)} MB; pg_dump -Fc -Z5 ${dumpSeconds.toFixed(1)} s, ${(dumpBytes / 1e6).toFixed(0)} MB`,
      );
      peakMb = Math.max(peakMb, backup.peakMb);
      first = backup;
      if (run > 0) {
        ours.push(backup.seconds);
        theirs.push(dumpSeconds);
      }
      if (run < runs) await rm(repository, { recursive: true });
    }

    for (const statement of oneDayStatements(sizeMb)) await server.query(statement, [], 'sample');
    const second = await backUpInChild({
      connection,
      database: 'sample',
      repository: path.join(folder, `repository-${runs}`),
      create: false,
    });
    log(`making a database of ${MANY_TABLES} tables …`);
    await server.query('CREATE DATABASE many');
    for (const statement of manyTablesStatements(MANY_TABLES)) await server.query(statement, [], 'many');
    const many = await backUpInChild({ connection, database: 'many', repository: path.join(folder, 'repository-many'), create: true });
    const stored = second.addedBytes / first!.addedBytes;
    const ratio = median(ours.map((seconds, index) => seconds / theirs[index]!));
    return [
      {
        case: `first logical backup, ${sizeMb} MB`,
        ours: median(ours),
        theirs: median(theirs),
        unit: 's',
        peer: `pg_dump ${tools.version} -Fc -Z5`,
        target: 'ratio ≤ 1.00',
        met: ratio <= 1,
        note: `median of ratios ${ratio.toFixed(2)}`,
      },
      {
        case: 'second backup (2 % of rows changed, 1 % new) stores, of the first',
        ours: stored * 100,
        unit: '%',
        target: '< 15 %',
        met: stored < SECOND_BACKUP_TARGET,
        note: `${(second.addedBytes / 1e6).toFixed(1)} of ${(first!.addedBytes / 1e6).toFixed(1)} MB`,
      },
      {
        case: 'peak memory of a run’s child',
        ours: Math.max(peakMb, second.peakMb),
        unit: 'MB',
        target: `< ${MEMORY_TARGET_MB} MB`,
        met: Math.max(peakMb, second.peakMb) < MEMORY_TARGET_MB,
      },
      {
        case: `peak memory of a run’s child, ${MANY_TABLES} tables`,
        ours: many.peakMb,
        unit: 'MB',
        target: `< ${MEMORY_TARGET_MB} MB`,
        met: many.peakMb < MEMORY_TARGET_MB,
        note: `${many.seconds.toFixed(1)} s`,
      },
    ];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
