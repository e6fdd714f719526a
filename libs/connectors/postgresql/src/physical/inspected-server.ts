import { mkdir, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type ArtifactSource,
  type ConnectorContext,
  ensureRoom,
  type InspectedServer,
  type InspectionPlace,
  type Job,
  type LogRecovery,
  type RecoveryFacts,
  type RestoreFacts,
} from '@rahat/connector-kit';
import { type Finding, type PostgresqlConnection, RahatError } from '@rahat/contracts';
import { connectClient, type DisposableClient } from '../connect.js';
import {
  findServerBinaries,
  makeThrowawayFolder,
  recordOwner,
  refuseUnreachable,
  StandbyServer,
  type ThrowawayFolder,
} from '../throwaway/index.js';
import { addRecovery, type PlannedRecovery, planRecovery } from '../wal/index.js';
import { type BaseBackupFacts, readFacts } from './base-backup-layout.js';
import { notProven, proveRecovered, proveStopped, roomFor } from './recovered-server.js';
import { parseLogPosition } from './log-position.js';
import { makeServerFolder, partialFolderOf, refuseExisting } from './restore-to-folder.js';

const LABEL = 'rhb-inspect';
const USUAL_SUPERUSER = 'postgres';
const LOOK_MS = 100;
/** Of a server that neither replays nor waits. */
const STILL_MS = 15 * 60_000;

/** A base backup is recovered from its own log up to where it is consistent; there is no other, and no restore_command to ask for it. */
const OWN_LOG: LogRecovery = {
  target: { kind: 'immediate' },
  log: {
    ranges: [],
    histories: new Map(),
    read: () => {
      throw new RahatError('internal', 'The log of a base backup lies in the backup');
    },
  },
};

/** What would fail only after the work of hours is refused before it: a target that can't be reached or written, programs, room. */
export async function inspectServer(
  source: ArtifactSource,
  place: InspectionPlace,
  context: ConnectorContext,
  job: Job,
  wanted: LogRecovery = OWN_LOG,
): Promise<InspectedServer<PostgresqlConnection>> {
  const dataFolder = resolve(place.folder);
  await refuseExisting(dataFolder);
  const facts = await readFacts(source);
  const planned = await planRecovery(source, facts, { ...wanted, action: 'pause' });
  const folder = await makeThrowawayFolder(context.scratchFolder);
  let bytes = 0;
  const onReplay = (segment: string) => job.progress({ phase: 'recovery', object: segment, bytes });
  try {
    const binaries = await findServerBinaries(facts.major, context.toolFolders, join(folder.path, 'libraries'));
    const user = place.user ?? USUAL_SUPERUSER;
    const standby = await StandbyServer.prepare({ folder, binaries, dataFolder, user, signal: context.signal, onReplay });
    const parent = dirname(dataFolder);
    await mkdir(parent, { recursive: true });
    await refuseUnreachable(folder, parent, 'restored files');
    await ensureRoom(parent, roomFor(source, planned), 'the files of the recovered server');
    const made = await makeOwnFolder({ source, facts }, { folder, dataFolder }, job, planned);
    bytes = made.bytes;
    const findings = made.findings.filter(({ code }) => code !== 'recovery_prepared');
    const inspected = new Inspected({ standby, folder, dataFolder, facts }, binaries.version, findings, planned);
    await inspected.arrive(job).catch(async (error: unknown) => {
      await inspected[Symbol.asyncDispose]();
      throw error;
    });
    return inspected;
  } catch (error) {
    await folder.remove();
    throw error;
  }
}

/** Its files are those of the throwaway's owner, and go with it when that dies. */
async function makeOwnFolder(
  backup: { source: ArtifactSource; facts: BaseBackupFacts },
  { folder: { path, socketFolder }, dataFolder }: { folder: ThrowawayFolder; dataFolder: string },
  job: Job,
  planned: PlannedRecovery,
): Promise<RestoreFacts> {
  const partial = partialFolderOf(dataFolder);
  // Not the target before it is ours: what somebody else put there in the meantime must stay.
  await recordOwner(path, { socketFolder, dataFolder, alsoOurs: [partial] });
  try {
    const made = await makeServerFolder(backup, dataFolder, job, planned);
    await recordOwner(path, { socketFolder, dataFolder, alsoOurs: [dataFolder] });
    return made;
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    throw error;
  }
}

interface Parts {
  standby: StandbyServer;
  folder: ThrowawayFolder;
  dataFolder: string;
  facts: BaseBackupFacts;
}

class Inspected implements InspectedServer<PostgresqlConnection> {
  readonly connection: PostgresqlConnection;
  readonly lost: Promise<void>;
  reached: RecoveryFacts;
  private left = false;
  private readonly tellLost: () => void;

  constructor(
    private readonly parts: Parts,
    readonly version: string,
    readonly findings: Finding[],
    private planned: PlannedRecovery,
  ) {
    this.connection = parts.standby.connection;
    this.reached = { timeline: planned.route.timeline };
    const { promise, resolve: tell } = Promise.withResolvers<void>();
    [this.lost, this.tellLost] = [promise, tell];
  }

  /** At the planned target. */
  async arrive(job: Job): Promise<void> {
    const { standby } = this.parts;
    await standby.recoverAndWait();
    const { gone } = standby;
    this.reached = await this.proveWaiting(job.signal, gone);
    // Only that of now: each step ends the server before it.
    void gone.then(() => this.parts.standby.gone === gone && !standby.ending && this.tellLost());
  }

  async advance(source: ArtifactSource, recovery: LogRecovery, job: Job): Promise<void> {
    const planned = await planRecovery(source, this.parts.facts, { ...recovery, timeline: this.planned.route.timeline, action: 'pause' });
    const { reachedLsn } = this.reached;
    if (reachedLsn !== undefined && planned.stop.at < parseLogPosition(reachedLsn))
      throw new RahatError(
        'recovery_target_unreachable',
        `${planned.stop.description} is not behind ${reachedLsn}, where the server waits`,
        {
          hint: 'Log is replayed forward only: end this look, and begin another one for an earlier point. Nothing was touched.',
        },
      );
    await addRecovery(this.parts.dataFolder, planned, job, this.planned.stop.needed);
    this.planned = planned;
    await this.arrive(job);
  }

  async promote({ signal }: Job): Promise<void> {
    const { standby, folder, facts } = this.parts;
    await standby.promote();
    await proveRecovered(this.connection, facts, signal);
    await proveStopped(this.connection, this.planned, signal);
    await standby.stop();
    if (!standby.endedInOrder) throw notProven('the promoted server did not shut down in order');
    // From here on it is the user's.
    this.left = true;
    await folder.remove();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.left) return;
    await this.parts.standby.discard();
    await rm(this.parts.dataFolder, { recursive: true, force: true, maxRetries: 3 });
    await this.parts.folder.remove();
  }

  /** PostgreSQL fails where it can't reach its target; this is our own look that it waits at the right one. */
  private async proveWaiting(signal: AbortSignal, gone: Promise<void>): Promise<RecoveryFacts> {
    await using client = await this.connect(signal);
    const { facts } = this.parts;
    const { stop, route } = this.planned;
    let ended = false;
    void gone.then(() => (ended = true));
    let [position, movedAt] = [null as string | null, Date.now()];
    for (;;) {
      const state = await lookAt(client, facts, stop.setting[0]);
      if (state.identity !== facts.systemIdentifier)
        throw notProven(`the restored server says that it is ${state.identity}, not ${facts.systemIdentifier}`);
      if (!state.recovering) throw cannotWait();
      if (state.paused) {
        if (state.value !== stop.setting[1]) throw notProven(`it was to recover to ${stop.setting[1]}, and says ${state.value}`);
        if (!state.consistent) throw notProven(`it waits at ${state.position}, before the backup's end at ${facts.endPosition}`);
        return { timeline: route.timeline, reachedLsn: state.position ?? undefined, lastTransactionAt: state.last ?? undefined };
      }
      if (state.position !== position) [position, movedAt] = [state.position, Date.now()];
      if (ended || Date.now() - movedAt > STILL_MS) throw notProven(`it stands at ${position}, and doesn't come to its target`);
      await sleep(LOOK_MS, undefined, { signal });
    }
  }

  private async connect(signal: AbortSignal): Promise<DisposableClient> {
    try {
      return await connectClient(this.connection, { database: 'template1', label: LABEL, signal });
    } catch (error) {
      if (!(error instanceof RahatError) || error.code !== 'source_authentication_failed') throw error;
      throw new RahatError('invalid_input', `Nobody logs in to the restored server as '${this.connection.user}'`, {
        cause: error,
        hint: 'Name a role of the source that may log in, best a superuser.',
      });
    }
  }
}

interface WaitingState {
  identity: string;
  recovering: boolean;
  paused: boolean | null;
  consistent: boolean;
  position: string | null;
  last: string | null;
  value: string;
}

async function lookAt(client: DisposableClient, facts: BaseBackupFacts, setting: string): Promise<WaitingState> {
  const { rows } = await client.query<WaitingState>(
    `SELECT (SELECT system_identifier::text FROM pg_control_system()) AS identity, pg_is_in_recovery() AS recovering,
            CASE WHEN pg_is_in_recovery() THEN pg_is_wal_replay_paused() END AS paused,
            pg_last_wal_replay_lsn() >= $1::pg_lsn AS consistent, pg_last_wal_replay_lsn()::text AS position,
            to_char(pg_last_xact_replay_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS last,
            current_setting($2) AS value`,
    [facts.endPosition, setting],
  );
  return rows[0]!;
}

/** What ran there has to be known to tell what is visible; the log of an overflown transaction doesn't hold it (hot standby, "snapshot pending"). */
function cannotWait(): RahatError {
  return new RahatError(
    'restore_failed',
    "The server can't be looked at where it waits: a transaction with very many subtransactions ran there",
    {
      hint: 'Choose a later point, or restore to a folder, which opens it for writing. Nothing was left.',
    },
  );
}
