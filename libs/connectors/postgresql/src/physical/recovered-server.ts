import { join } from 'node:path';
import {
  type ArtifactSource,
  bytesOfFiles,
  type ConnectorContext,
  ensureRoom,
  type Job,
  type LogRecovery,
  type RecoveredServer,
  type RecoveryFacts,
} from '@rahat/connector-kit';
import { type PostgresqlConnection, RahatError } from '@rahat/contracts';
import { connectClient } from '../connect.js';
import { clientOfMajor } from '../required-tool.js';
import { findServerBinaries, makeThrowawayFolder, startThrowawayServer, type ThrowawayServer } from '../throwaway/index.js';
import { addRecovery, type PlannedRecovery, planRecovery } from '../wal/index.js';
import { type BaseBackupFacts, readFacts } from './base-backup-layout.js';
import { writeDataFolder } from './restore-to-folder.js';
import { tablesWithLostRows } from './unlogged-tables.js';

const LABEL = 'rhb-recovered';

type ThrowawayFolder = Awaited<ReturnType<typeof makeThrowawayFolder>>;

export interface Recovered extends AsyncDisposable {
  server: ThrowawayServer;
  /** So much was written for it. */
  bytes: number;
  reached?: RecoveryFacts;
}

/** To read its databases. What would fail only after the work of hours is refused before it: tools, room, a target that can't be reached. */
export async function recoverServer(
  source: ArtifactSource,
  context: ConnectorContext,
  job: Job,
  recovery?: LogRecovery,
): Promise<RecoveredServer<PostgresqlConnection>> {
  const facts = await readFacts(source);
  await clientOfMajor('pgDump', facts.major, context.toolFolders);
  const { server, reached, ...recovered } = await startRecovered({ source, facts }, context, job, recovery, (folder, planned) =>
    ensureRoom(folder, roomFor(source, planned), 'the files of the recovered server'),
  );
  const { connection, version } = server;
  return {
    connection,
    version,
    recovery: reached,
    tablesWithLostRows: (database) => tablesWithLostRows(connection, { database, label: LABEL, signal: job.signal }),
    [Symbol.asyncDispose]: recovered[Symbol.asyncDispose],
  };
}

/**
 * Restores into a throwaway server of the same major, which is proven to be recovered up to where it should and open for writing; its
 * timeline leads nowhere. Each file is compared with what the server said of it.
 */
export async function startRecovered(
  { source, facts }: { source: ArtifactSource; facts: BaseBackupFacts },
  context: ConnectorContext,
  job: Job,
  recovery?: LogRecovery,
  beforeWriting: (folder: string, planned: PlannedRecovery | undefined) => Promise<void> = () => Promise.resolve(),
): Promise<Recovered> {
  const planned = recovery && (await planRecovery(source, facts, { ...recovery, action: 'promote' }));
  const { toolFolders, scratchFolder } = context;
  const folder = await makeThrowawayFolder(scratchFolder);
  const dataFolder = join(folder.path, 'data');
  const { bytes, binaries } = await orRemove(folder, async () => {
    // Before the work of hours.
    const binaries = await findServerBinaries(facts.major, toolFolders, join(folder.path, 'libraries'));
    await beforeWriting(folder.path, planned);
    const written = await writeDataFolder(source, { folder: dataFolder, finalFolder: dataFolder, durable: false }, job);
    return { binaries, bytes: written + (planned ? await addRecovery(dataFolder, planned, job) : 0) };
  });
  job.progress({ phase: 'recovery', bytes });
  // Who waits for hours sees that it goes on, and is not taken for one who stands still.
  const onReplay = (segment: string) => job.progress({ phase: 'recovery', object: segment, bytes });
  const server = await startThrowawayServer({ binaries, folder, dataFolder, scratchFolder, toolFolders, signal: job.signal, onReplay });
  try {
    await proveRecovered(server.connection, facts, job.signal);
    const reached = planned && (await proveStopped(server.connection, planned, job.signal));
    return { server, bytes, reached, [Symbol.asyncDispose]: () => server.stop() };
  } catch (error) {
    await server.stop();
    throw error;
  }
}

async function orRemove<T>(folder: ThrowawayFolder, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    await folder.remove();
    throw error;
  }
}

/** The server keeps the log that it has replayed, besides ours. */
export function roomFor(source: ArtifactSource, planned: PlannedRecovery | undefined): number {
  const log = planned && planned.stop.needed > planned.base.end ? Number(planned.stop.needed - planned.base.end) : 0;
  return bytesOfFiles(source) + 2 * log;
}

/** The same server, recovered to the backup's end at least, and open for writing. */
export async function proveRecovered(connection: PostgresqlConnection, facts: BaseBackupFacts, signal: AbortSignal): Promise<void> {
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
export async function proveStopped(
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

export function notProven(reason: string): RahatError {
  return new RahatError('restore_mismatch', `The recovery of the restored server failed: ${reason}`, {
    hint: 'Take a new backup; keep this one aside until the cause is known.',
  });
}
