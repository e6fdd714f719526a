import { type BackupRequest, fullInstead, type ParentBackup } from '@rahat/connector-kit';
import { type BackupLabel, type Finding, RahatError } from '@rahat/contracts';
import { type BackupPart, type BaseBackupOptions, BaseBackupStream } from './base-backup-stream.js';
import { inManifest, type ManifestFile } from './backup-manifest.js';
import { pathOfKey } from './base-backup-layout.js';
import { serverNotice } from './protocol/server-errors.js';
import type { WalsenderClient } from './walsender-client.js';
import { writeBackupManifest } from './write-manifest.js';

/** First that can: `UPLOAD_MANIFEST` and summaries of the log came with it. */
const OLDEST_INCREMENTAL_MAJOR = 17;

/** Where the server stands when a backup begins, and what of it a chain must keep. */
interface ServerState {
  systemIdentifier: string;
  timeline: number;
  /** `on` or `off`: pages that were written without would fail in a server that checks them, and no log tells of the change. */
  dataChecksums: string;
}

interface StartedBackup {
  label: BackupLabel;
  stream: BaseBackupStream;
  parts: AsyncGenerator<BackupPart>;
  /** Why it is a full one, where another one was asked for. */
  findings: Finding[];
}

const LABELS = { full: 'full · space-incremental', incremental: 'incremental (native)', differential: 'differential (native)' } as const;

/**
 * Has the server begin the backup that was asked for, or a full one where it can take none upon the parent. Throws
 * `backup_type_unsupported` where it never could.
 */
export async function startBaseBackup(
  client: WalsenderClient,
  request: BackupRequest,
  state: ServerState,
  options: BaseBackupOptions,
): Promise<StartedBackup> {
  const type = request.type ?? 'full';
  if (type === 'log') throw new RahatError('backup_type_unsupported', 'The log is followed, not backed up');
  if (type === 'full') return begin(client, options, LABELS.full);
  await refuseWithoutSummaries(client);
  // Whoever gives no parent says why.
  if (!request.parent) return begin(client, options, LABELS.full);
  const obstacle = obstacleTo(request.parent, state) ?? (await uploadManifest(client, request.parent));
  if (obstacle !== undefined) return { ...(await begin(client, options, LABELS.full)), findings: [fullInstead(obstacle)] };
  try {
    return await begin(client, { ...options, incremental: true }, LABELS[type]);
  } catch (error) {
    return { ...(await begin(client, options, LABELS.full)), findings: [fullInstead(refusalIn(error))] };
  }
}

/** Resolves when the first part came: by then the server has found all that it needs. */
async function begin(client: WalsenderClient, options: BaseBackupOptions, label: BackupLabel): Promise<StartedBackup> {
  const stream = new BaseBackupStream(client, options);
  const parts = stream.parts();
  const first = await parts.next();
  async function* all(): AsyncGenerator<BackupPart> {
    if (!first.done) yield first.value;
    yield* parts;
  }
  return { label, stream, parts: all(), findings: [] };
}

async function refuseWithoutSummaries(client: WalsenderClient): Promise<void> {
  if (client.serverMajor < OLDEST_INCREMENTAL_MAJOR)
    throw new RahatError('backup_type_unsupported', `PostgreSQL ${client.serverVersion} takes no incremental backups`, {
      hint: `They need PostgreSQL ${OLDEST_INCREMENTAL_MAJOR} or newer. Full backups store only what is new, too.`,
    });
  if ((await client.show('summarize_wal')) === 'on') return;
  throw new RahatError(
    'backup_type_unsupported',
    'The server keeps no summaries of its log, without which it takes no incremental backups',
    {
      hint: 'ALTER SYSTEM SET summarize_wal = on; SELECT pg_reload_conf();',
    },
  );
}

/**
 * What needs no server to be known. A change of the timeline always begins a new chain: until the minor versions of autumn 2026 a
 * summary that only touched the switch could leave changed blocks out of the backup (PostgreSQL commit f549ecd).
 */
function obstacleTo({ facts }: ParentBackup, state: ServerState): string | undefined {
  const { systemIdentifier, timeline, dataChecksums, startLsn, endLsn } = facts.positions;
  if (systemIdentifier !== state.systemIdentifier)
    return `the last backup is of another server, ${systemIdentifier} instead of ${state.systemIdentifier}`;
  if (timeline !== state.timeline)
    return `the server is on timeline ${state.timeline} now, and the last backup on ${timeline}: it was promoted or restored`;
  if (dataChecksums !== state.dataChecksums)
    return dataChecksums === undefined
      ? 'the last backup does not tell whether its pages have checksums'
      : `data checksums are ${state.dataChecksums} now, and were ${dataChecksums} in the last backup`;
  return startLsn === undefined || endLsn === undefined ? 'the last backup does not tell where in the log it lies' : undefined;
}

/** Gives what the server has against it. What it needs of a manifest (names, sizes, range of the log) the parent's own facts tell. */
async function uploadManifest(client: WalsenderClient, { artifacts, facts: { positions } }: ParentBackup): Promise<string | undefined> {
  const { systemIdentifier, timeline, startLsn, endLsn } = positions;
  const logRanges = [{ timeline: Number(timeline), start: String(startLsn), end: String(endLsn) }];
  try {
    await client.upload(
      'UPLOAD_MANIFEST',
      writeBackupManifest({ systemIdentifier: String(systemIdentifier), files: filesOf(artifacts), logRanges }),
    );
    return undefined;
  } catch (error) {
    return refusalIn(error);
  }
}

function* filesOf(artifacts: ParentBackup['artifacts']): Generator<[string, ManifestFile]> {
  for (const { key, sizeBytes, sha256 } of artifacts) {
    const path = pathOfKey(key);
    if (path !== undefined && inManifest(path)) yield [path, { sizeBytes, sha256 }];
  }
}

/** A server that refuses this command may give a full backup all the same; one that is going down, or lets nobody in, gives none. */
function refusalIn(error: unknown): string {
  const notice = serverNotice(error);
  if (!notice || /^(28|42501|53|57)/.test(notice.code)) throw error;
  return `the server refused: ${notice.message}`;
}
