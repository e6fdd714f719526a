import path from 'node:path';
import { embeddedToolFolders } from '@rahat/execution';
import { RahatError, type RestoreTarget } from '@rahat/contracts';
import { EXIT } from '../exit-codes.js';
import { comparison } from '../terminal/comparison.js';
import { age, bytes, table, visible } from '../terminal/format.js';
import { untilInterrupted } from '../terminal/interrupt.js';
import type { Terminal } from '../terminal/terminal.js';
import { databaseAddress } from './database-address.js';
import { offlineProgress } from './offline-progress.js';
import { openOffline, type KitOpening } from './open-offline.js';
import { recoveryOf, type RecoveryOptions } from './recovery-options.js';
import { parseTableName } from './table-names.js';

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

export interface OfflineRestoreOptions extends KitOpening, Omit<RecoveryOptions, 'server'> {
  stream?: string;
  snapshot: string;
  to?: string;
  as?: string;
  table?: string[];
  folder?: string;
  owner: boolean;
  acl: boolean;
}

export async function restoreSnapshot(terminal: Terminal, options: OfflineRestoreOptions): Promise<void> {
  const connection =
    options.to === undefined ? undefined : (await databaseAddress(options.to, 'Password of the target server’s user')).connection;
  const target = restoreTarget(options);
  const recovery = recoveryOf(options);
  const repository = await openOffline(options);
  const evidence = await repository.restore(
    {
      snapshot: options.snapshot,
      target,
      connection,
      tables: options.table?.map(parseTableName),
      noOwner: !options.owner,
      noAcl: !options.acl,
      recovery: recovery && { target: recovery, timeline: options.timeline, stream: options.stream },
    },
    {
      signal: untilInterrupted('Cancelled; nothing was swapped in.'),
      toolFolders: embeddedToolFolders(),
      onProgress: offlineProgress(terminal),
      onLog: (level, message) => level !== 'info' && terminal.say(`${level}: ${message}`),
    },
  );
  const differing = evidence.tables.filter(({ matches }) => !matches).length;
  const prepared = evidence.findings.find(({ code }) => code === 'recovery_prepared');
  const restored = `Restored ${evidence.snapshot} to ${visible(evidence.target)}: ${comparison(evidence)}.`;
  terminal.result(evidence, prepared ? `${restored}\n${visible(prepared.message)}` : restored);
  if (differing > 0) process.exitCode = EXIT.failed;
}

function restoreTarget(options: OfflineRestoreOptions): RestoreTarget {
  if (options.folder !== undefined) return { kind: 'folder', path: path.resolve(options.folder) };
  if (options.to !== undefined && options.as !== undefined) return { kind: 'database', name: options.as, replace: false };
  throw new RahatError('invalid_input', 'The target is missing.', {
    hint: 'Give --to postgresql://user@host/postgres with --as NEW_NAME, or --folder PATH for a physical backup.',
  });
}
