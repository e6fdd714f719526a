import path from 'node:path';
import { embeddedToolFolders } from '@rahat/execution';
import { RahatError, type RestoreEvidence, type RestoreTarget } from '@rahat/contracts';
import { EXIT } from '../exit-codes.js';
import { age, bytes, table, visible } from '../terminal/format.js';
import { untilInterrupted } from '../terminal/interrupt.js';
import { mergedLines, restoredInWords, tellOutline } from '../terminal/live-restore.js';
import type { Terminal } from '../terminal/terminal.js';
import { databaseAddress } from './database-address.js';
import { offlineProgress } from './offline-progress.js';
import { openOffline, type KitOpening } from './open-offline.js';
import { recoveryOf, type RecoveryOptions } from './recovery-options.js';
import { partOf, type PartOptions } from './restored-part.js';

export async function listSnapshots(terminal: Terminal, options: KitOpening): Promise<void> {
  const repository = await openOffline(options);
  const snapshots = await Array.fromAsync(repository.snapshots());
  const rows = snapshots.map((snapshot) =>
    snapshot.readable
      ? [
          snapshot.id,
          snapshot.serverName,
          snapshot.databaseName ?? '(whole server)',
          `${snapshot.method.replace('postgresql.', '')}${snapshot.parent === null ? '' : `, ${snapshot.label}`}`,
          age(snapshot.consistentAt),
          bytes(snapshot.sizeBytes),
          String(snapshot.objects),
        ]
      : [snapshot.id, 'DAMAGED', visible(snapshot.error.message), '', '', '', ''],
  );
  terminal.result(snapshots, table(['SNAPSHOT', 'SERVER', 'DATABASE', 'METHOD', 'TAKEN', 'SIZE', 'OBJECTS'], rows));
  if (snapshots.some(({ readable }) => !readable)) process.exitCode = EXIT.failed;
}

export interface OfflineRestoreOptions extends KitOpening, Omit<RecoveryOptions, 'server'>, PartOptions {
  stream?: string;
  snapshot: string;
  to?: string;
  as?: string;
  folder?: string;
  owner: boolean;
  acl: boolean;
  dryRun: boolean;
}

export async function restoreSnapshot(terminal: Terminal, options: OfflineRestoreOptions): Promise<void> {
  const [target, part, recovery] = [restoreTarget(options), partOf(options), recoveryOf(options)];
  const connection =
    options.to === undefined ? undefined : (await databaseAddress(options.to, 'Password of the target server’s user')).connection;
  const repository = await openOffline(options);
  const order = {
    snapshot: options.snapshot,
    target,
    connection,
    ...part,
    noOwner: !options.owner,
    noAcl: !options.acl,
    recovery: recovery && { target: recovery, timeline: options.timeline, stream: options.stream },
  };
  const execution = {
    signal: untilInterrupted(`Cancelled; nothing was ${part.merge ? 'changed' : 'swapped in'}.`),
    toolFolders: embeddedToolFolders(),
    onProgress: offlineProgress(terminal),
    onLog: (level: string, message: string) => level !== 'info' && terminal.say(`${level}: ${message}`),
  };
  if (options.dryRun) {
    tellOutline(terminal, await repository.outline(order, execution), part.merge ? 'changed' : 'set aside');
    return;
  }
  const evidence = await repository.restore(order, execution);
  terminal.result(evidence, outcome(evidence));
  if (evidence.tables.some(({ matches }) => !matches)) process.exitCode = EXIT.failed;
}

function outcome({ findings, ...evidence }: RestoreEvidence): string {
  const prepared = findings.find(({ code }) => code === 'recovery_prepared');
  const { snapshot, merged, setAside, safetyCopy } = evidence;
  return [
    restoredInWords(evidence, snapshot),
    ...(prepared ? [visible(prepared.message)] : []),
    ...mergedLines(merged ?? [], 'made'),
    ...setAside.map((name) => `Kept aside: ${visible(name)}`),
    ...(safetyCopy
      ? [
          `It can be undone:  rahat-backup restore undo ${safetyCopy.schema} --database postgresql://…/${visible(encodeURIComponent(safetyCopy.database))}`,
          `Nobody drops that safety copy by itself: \`restore drop-safety-copy\` does.`,
        ]
      : []),
  ].join('\n');
}

function restoreTarget(options: OfflineRestoreOptions): RestoreTarget {
  const given = [options.as, options.folder, options.into].filter((value) => value !== undefined);
  if (given.length > 1) throw new RahatError('invalid_input', 'Only one of --as, --folder and --into can be the target.');
  if (options.folder !== undefined) return { kind: 'folder', path: path.resolve(options.folder) };
  const name = options.as ?? options.into;
  if (options.to !== undefined && name !== undefined) return { kind: 'database', name, replace: false };
  throw new RahatError('invalid_input', 'The target is missing.', {
    hint: 'Give --to postgresql://user@host/postgres with --as NEW_NAME or --into EXISTING, or --folder PATH for a physical backup; one database of a physical backup goes the first way, with --from-database NAME.',
  });
}
