import path from 'node:path';
import { embeddedToolFolders } from '@rahat/execution';
import { PostgresqlConnection, RahatError, type RestoreTarget } from '@rahat/contracts';
import { EXIT } from '../exit-codes.js';
import { askSecret } from '../terminal/ask-secret.js';
import { comparison } from '../terminal/comparison.js';
import { age, bytes, table, visible } from '../terminal/format.js';
import { untilInterrupted } from '../terminal/interrupt.js';
import type { Terminal } from '../terminal/terminal.js';
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
          snapshot.method.replace('postgresql.', ''),
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
  const connection = options.to === undefined ? undefined : await targetConnection(options.to);
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
      onProgress: (progress) =>
        terminal.progress(
          `${progress.phase} ${bytes(progress.bytes)}${progress.totalBytes ? ` of ${bytes(progress.totalBytes)}` : ''}${progress.object ? `  ${visible(progress.object)}` : ''}`,
        ),
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

async function targetConnection(url: string): Promise<PostgresqlConnection> {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (!parsed || !/^postgres(ql)?:$/.test(parsed.protocol))
    throw new RahatError('invalid_input', 'The target is not a PostgreSQL address.', {
      hint: 'Write postgresql://user@host:5432/postgres',
    });
  if (parsed.password !== '')
    throw new RahatError('invalid_input', 'The address holds a password, which every user of this machine can see.', {
      hint: 'Leave it out; give it by RAHAT_DB_PASSWORD or the prompt.',
    });
  const password = await askSecret({ label: 'Password of the target server’s user', variable: 'RAHAT_DB_PASSWORD' });
  return PostgresqlConnection.parse({
    host: decodeURIComponent(parsed.searchParams.get('host') ?? parsed.hostname),
    port: parsed.port === '' ? 5432 : parsed.port,
    user: decodeURIComponent(parsed.username) || 'postgres',
    maintenanceDatabase: decodeURIComponent(parsed.pathname.slice(1)) || 'postgres',
    tls: TLS_MODES[parsed.searchParams.get('sslmode') ?? 'prefer'] ?? 'prefer',
    password,
  });
}

const TLS_MODES: Record<string, PostgresqlConnection['tls']> = {
  disable: 'disable',
  allow: 'prefer',
  prefer: 'prefer',
  require: 'require',
  'verify-ca': 'verify-full',
  'verify-full': 'verify-full',
};
