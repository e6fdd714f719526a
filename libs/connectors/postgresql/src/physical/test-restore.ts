import { join } from 'node:path';
import type { ArtifactSource, ConnectorContext, Job, LogRecovery, RecoveryFacts, TestRestoreFacts } from '@rahat/connector-kit';
import { type Assertion, type PostgresqlConnection, RahatError } from '@rahat/contracts';
import { checkAssertions } from '../assertions/check-assertions.js';
import { connectClient } from '../connect.js';
import { makeThrowawayFolder, startThrowawayServer } from '../throwaway/index.js';
import { addRecovery, type PlannedRecovery, planRecovery } from '../wal/index.js';
import { type BaseBackupFacts, readFacts } from './base-backup-layout.js';
import { readBack } from './read-back.js';
import { writeDataFolder } from './restore-to-folder.js';

const LABEL = 'rhb-test-restore';

/**
 * Restores into a throwaway server of the same major and proves: each file as the server sent it, recovery up to the end of
 * the backup, ready to write, every table of every database readable to its end, its pages and those of its B-tree indexes
 * sound. A live server's rows at that instant are known to nobody, so rows are reported as read, never as compared (README,
 * "What FULL proves").
 */
export async function testRestoreBaseBackup(
  source: ArtifactSource,
  context: ConnectorContext,
  job: Job,
  assertions: readonly Assertion[] = [],
  recovery?: LogRecovery,
): Promise<TestRestoreFacts> {
  const facts = await readFacts(source);
  // What is proven is opened for writing in the throwaway, whose timeline leads nowhere.
  const planned = recovery && (await planRecovery(source, { ...recovery, action: 'promote' }));
  const folder = await makeThrowawayFolder(context.scratchFolder);
  const dataFolder = join(folder.path, 'data');
  let bytes: number;
  try {
    bytes = await writeDataFolder(source, { folder: dataFolder, finalFolder: dataFolder, durable: false }, job);
    if (planned) bytes += await addRecovery(dataFolder, planned, job);
  } catch (error) {
    await folder.remove();
    throw error;
  }
  job.progress({ phase: 'recovery', bytes });
  const { toolFolders, scratchFolder } = context;
  await using server = await startThrowawayServer({
    major: facts.major,
    folder,
    dataFolder,
    scratchFolder,
    toolFolders,
    signal: job.signal,
  });
  await proveRecovered(server.connection, facts, job.signal);
  const reached = planned && (await proveStopped(server.connection, planned, job.signal));
  const { tables, findings } = await readBack(server, context, job);
  const known = await databaseNames(server.connection, job.signal);
  const databaseOf = ({ database = 'postgres' }: Assertion) => (known.has(database) ? database : undefined);
  const rows = tables.reduce((sum, table) => sum + table.rows, 0);
  return {
    target: `throwaway PostgreSQL ${server.version}`,
    restoredOn: `throwaway PostgreSQL ${server.version}`,
    setAside: [],
    tables: [],
    tablesRead: tables,
    assertions: await checkAssertions(server.connection, assertions, databaseOf, job),
    rows,
    bytes,
    findings,
    recovery: reached,
  };
}

/** The same server, recovered to the backup's end at least, and open for writing. */
async function proveRecovered(connection: PostgresqlConnection, facts: BaseBackupFacts, signal: AbortSignal): Promise<void> {
  await using client = await connectClient(connection, { database: 'template1', label: LABEL, signal });
  const { rows } = await client.query<{ identity: string; reached: boolean; position: string; recovering: boolean; writable: string }>(
    `SELECT (SELECT system_identifier::text FROM pg_control_system()) AS identity,
            pg_current_wal_insert_lsn() >= $1::pg_lsn AS reached, pg_current_wal_insert_lsn()::text AS position,
            pg_is_in_recovery() AS recovering, pg_current_xact_id()::text AS writable`,
    [facts.endPosition],
  );
  const state = rows[0];
  if (state?.identity !== facts.systemIdentifier)
    throw notProven(`the restored server says that it is ${state?.identity}, not ${facts.systemIdentifier}`);
  if (!state.reached) throw notProven(`recovery ended at ${state.position}, before the backup's end at ${facts.endPosition}`);
  if (state.recovering) throw notProven('the restored server is still in recovery');
}

/** PostgreSQL fails where it can't reach its target; this is our own look that it was told the right one. */
async function proveStopped(
  connection: PostgresqlConnection,
  { stop, route }: PlannedRecovery,
  signal: AbortSignal,
): Promise<RecoveryFacts> {
  await using client = await connectClient(connection, { database: 'template1', label: LABEL, signal });
  const { rows } = await client.query<{ value: string; timeline: number; reached: string | null; last: string | null }>(
    `SELECT current_setting($1) AS value, ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int AS timeline,
            pg_last_wal_replay_lsn()::text AS reached,
            to_char(pg_last_xact_replay_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS last`,
    [stop.setting[0]],
  );
  if (rows[0]?.value !== stop.setting[1]) throw notProven(`it was to recover to ${stop.setting[1]}, and says ${rows[0]?.value}`);
  if (rows[0].timeline <= route.timeline)
    throw notProven(`it ended on timeline ${rows[0].timeline}, and should have left ${route.timeline}`);
  return { timeline: route.timeline, reachedLsn: rows[0].reached ?? undefined, lastTransactionAt: rows[0].last ?? undefined };
}

async function databaseNames(connection: PostgresqlConnection, signal: AbortSignal): Promise<Set<string>> {
  await using client = await connectClient(connection, { database: 'template1', label: LABEL, signal });
  const { rows } = await client.query<{ name: string }>('SELECT datname AS name FROM pg_catalog.pg_database WHERE datallowconn');
  return new Set(rows.map(({ name }) => name));
}

function notProven(reason: string): RahatError {
  return new RahatError('restore_mismatch', `The test restore failed: ${reason}`, {
    hint: 'Take a new backup; keep this one aside until the cause is known.',
  });
}
