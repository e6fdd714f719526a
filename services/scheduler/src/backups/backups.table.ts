import {
  RahatError,
  type Backup,
  type BackupHold,
  type BackupLabel,
  type BackupMethod,
  type BackupType,
  type Consistency,
  type Finding,
  type RunError,
  type VerificationLevel,
} from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';
import type { Proof } from '../verification/proof.js';

export interface BackupRow {
  id: string;
  organization_id: string;
  snapshot: string;
  repository_id: string;
  /** null = found in its repository, and the ledger doesn't know its run. */
  run_id: string | null;
  plan_id: string | null;
  server_id: string;
  database_id: string | null;
  database_name: string | null;
  method: BackupMethod;
  backup_type: BackupType;
  label: BackupLabel;
  consistency: Consistency;
  state: 'succeeded' | 'partial';
  proof: Proof;
  damaged_by: VerificationLevel | null;
  proven_at: Date | null;
  consistent_at: Date;
  objects: number;
  rows: string;
  size_bytes: string;
  added_bytes: string;
  server_version: string;
  tool: string;
  findings: Finding[];
  /** Where it lies in the log of its server, as far as its method tells. */
  log_timeline: number | null;
  log_start: string | null;
  log_end: string | null;
  /** What it is restored upon, in the same repository; null = it stands alone. */
  parent_snapshot: string | null;
  retention_reason: string;
  hold: BackupHold | null;
  /** Retention let it go, and something keeps it still. */
  due_since: Date | null;
  removal_requested_at: Date | null;
  removal_tries: number;
  removal_error: RunError | null;
  /** Since then it lies in the trash. */
  removed_at: Date | null;
  undo_requested_at: Date | null;
  undo_by: string | null;
  /** It left the trash for ever. */
  purged_at: Date | null;
  found: { at: string; run: string; by: string } | null;
  missing_since: Date | null;
  tags: string[];
  note: string;
  created_at: Date;
}

/** What a backup is shown by: a page of a list reads nothing else. */
const SHOWN = [
  'id',
  'snapshot',
  'repository_id',
  'run_id',
  'plan_id',
  'server_id',
  'database_id',
  'database_name',
  'method',
  'backup_type',
  'label',
  'consistency',
  'state',
  'proof',
  'proven_at',
  'consistent_at',
  'objects',
  'rows',
  'size_bytes',
  'added_bytes',
  'server_version',
  'tool',
  'findings',
  'log_timeline',
  'log_start',
  'log_end',
  'retention_reason',
  'hold',
  'removal_requested_at',
  'removal_error',
  'removed_at',
  'found',
  'missing_since',
  'tags',
  'note',
  'created_at',
] as const satisfies (keyof BackupRow)[];

/** `parent_id`: the backup of `parent_snapshot`, as far as the catalog has it. */
interface BackupNames {
  server_name: string;
  parent_id: string | null;
}

export type NamedBackupRow = BackupRow & BackupNames;
export type ShownBackupRow = Pick<BackupRow, (typeof SHOWN)[number]> & BackupNames;

/** Not by a join, for which the planner would read all servers where a page shows fifty. */
const NAMES = `(SELECT name FROM servers WHERE servers.id = backups.server_id) AS server_name,
  (SELECT id FROM backups AS parents WHERE parents.repository_id = backups.repository_id AND parents.snapshot = backups.parent_snapshot) AS parent_id`;

export const NAMED_BACKUPS = `SELECT backups.*, ${NAMES} FROM backups`;
export const SHOWN_BACKUPS = `SELECT ${SHOWN.map((column) => `backups.${column}`).join(', ')}, ${NAMES} FROM backups`;

export async function findBackup(transaction: Transaction, id: string): Promise<NamedBackupRow> {
  const [row] = await transaction.query<NamedBackupRow>(`${NAMED_BACKUPS} WHERE backups.id = $1`, [id]);
  if (!row) throw new RahatError('not_found', `There is no backup ${id}`);
  return row;
}

/** For work that reads it: retention, which locks the row too, can't take it away meanwhile. */
export async function lockForReading(transaction: Transaction, id: string): Promise<NamedBackupRow> {
  await transaction.query(`SELECT 1 FROM backups WHERE id = $1 FOR UPDATE`, [id]);
  const row = await findBackup(transaction, id);
  if (row.removal_requested_at)
    throw new RahatError('conflict', `This backup ${row.removed_at ? 'was removed' : 'is being removed'}: ${row.retention_reason}`, {
      hint: 'Choose another backup.',
    });
  return row;
}

export function presentBackup(row: ShownBackupRow): Backup {
  return {
    id: row.id,
    snapshot: row.snapshot,
    repository: row.repository_id,
    run: row.run_id,
    plan: row.plan_id,
    server: row.server_id,
    serverName: row.server_name,
    database: row.database_id,
    databaseName: row.database_name,
    method: row.method,
    type: row.backup_type,
    parent: row.parent_id,
    label: row.label,
    consistency: row.consistency,
    state: row.state,
    proof: row.proof,
    provenAt: row.proven_at?.toISOString() ?? null,
    consistentAt: row.consistent_at.toISOString(),
    createdAt: row.created_at.toISOString(),
    objects: row.objects,
    rows: Number(row.rows),
    sizeBytes: Number(row.size_bytes),
    addedBytes: Number(row.added_bytes),
    serverVersion: row.server_version,
    tool: row.tool,
    findings: row.findings,
    log:
      row.log_timeline === null || row.log_start === null || row.log_end === null
        ? null
        : { timeline: row.log_timeline, start: row.log_start, end: row.log_end },
    retention: {
      kept: row.removal_requested_at === null,
      reason: row.removal_error ? `${row.retention_reason}; not removed yet: ${row.removal_error.message}` : row.retention_reason,
    },
    hold: row.hold,
    removedAt: row.removed_at?.toISOString() ?? null,
    found: row.found && { at: row.found.at, run: row.found.run },
    missingSince: row.missing_since?.toISOString() ?? null,
    tags: row.tags,
    note: row.note,
  };
}
