import { newIdAt, typeOfLabel, type FoundSnapshot, type ReadableSnapshot } from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';
import type { BackupRow } from '../backups/backups.table.js';
import { logPlaceOf } from '../log-streams/log-place.js';
import type { RunRow } from '../runs/runs.table.js';
import type { KnownAttempt, KnownBackup } from './fate.js';
import type { Origin } from './origins.js';
import { standingOf } from './standing.js';

/** The attempt of a backup, and the run that accepted it. */
export interface AttemptOfSnapshot extends KnownAttempt {
  run: string;
  /** As what its run was accepted. */
  accepted: 'succeeded' | 'partial' | null;
}

export async function knownAttempts(
  transaction: Transaction,
  repository: string,
  snapshots: readonly string[],
): Promise<Map<string, AttemptOfSnapshot>> {
  const rows = await transaction.query<AttemptOfSnapshot & { snapshot: string }>(
    `SELECT attempts.snapshot, attempts.discarded_at IS NOT NULL AS discarded, runs.id AS run, runs.state AS "runState",
       CASE WHEN runs.state IN ('succeeded', 'partial') AND runs.snapshot = attempts.snapshot THEN runs.state END AS accepted
     FROM attempts JOIN runs ON runs.id = attempts.run_id WHERE attempts.snapshot = ANY ($2::text[]) AND runs.type = 'backup' AND runs.repository_id = $1`,
    [repository, snapshots],
  );
  return new Map(rows.map((row) => [row.snapshot, row]));
}

export async function knownBackups(
  transaction: Transaction,
  repository: string,
  snapshots: readonly string[],
): Promise<Map<string, KnownBackup>> {
  const rows = await transaction.query<BackupRow>(
    `SELECT * FROM backups WHERE repository_id = $1 AND snapshot = ANY ($2::text[]) FOR UPDATE`,
    [repository, snapshots],
  );
  return new Map(
    rows.map((row) => [
      row.snapshot,
      {
        removalRequestedAt: row.removal_requested_at,
        removedAt: row.removed_at,
        undoRequestedAt: row.undo_requested_at,
        purgedAt: row.purged_at,
        heldAt: row.hold ? new Date(row.hold.at) : null,
        foundBy: row.found?.by ?? null,
      },
    ]),
  );
}

export function seenBy(rebuild: RunRow): string {
  return `${rebuild.id}/${rebuild.attempt}`;
}

/** A dry run only looks; that it saw a snapshot changes nothing that anyone is told. */
export async function markSeen(transaction: Transaction, rebuild: RunRow, snapshots: readonly string[]): Promise<void> {
  await transaction.query(
    `UPDATE backups SET seen_by = $3, missing_since = CASE WHEN $4 THEN missing_since END WHERE repository_id = $1 AND snapshot = ANY ($2::text[])`,
    [rebuild.repository_id, snapshots, seenBy(rebuild), rebuild.dry_run],
  );
}

/** The repository is right about where a snapshot lies. One that came back is held, as if a person had brought it back: the next retention would else remove it anew. */
export async function moveRow(
  transaction: Transaction,
  repository: string,
  { snapshot, place, storedAt }: FoundSnapshot,
  now: Date,
): Promise<void> {
  if (place === 'trash') {
    await transaction.query(
      `UPDATE backups SET removal_requested_at = $3, removed_at = $3, purged_at = NULL, removal_error = NULL, removal_retry_at = NULL, retention_reason = $4
       WHERE repository_id = $1 AND snapshot = $2`,
      [repository, snapshot, storedAt, IN_TRASH],
    );
    return;
  }
  const reason = 'found in its repository, although it had been removed';
  await transaction.query(
    `UPDATE backups SET removal_requested_at = NULL, removed_at = NULL, purged_at = NULL, removal_error = NULL, removal_retry_at = NULL, removal_tries = 0,
       hold = $3, retention_reason = $4 WHERE repository_id = $1 AND snapshot = $2`,
    [repository, snapshot, JSON.stringify({ reason, by: 'rebuild of the catalog', at: now.toISOString() }), `held: ${reason}`],
  );
}

const IN_TRASH = 'it lay in the trash of its repository when the catalog was rebuilt';
const NOT_LOOKED_AT = 'found in its repository; retention has not looked at it yet';

export interface FoundBackup {
  rebuild: RunRow;
  found: ReadableSnapshot;
  origin: Origin;
  attempt: AttemptOfSnapshot | undefined;
  now: Date;
}

/** Unproven, whatever it was before: proofs stand in no manifest. A run that records its backup at the same moment is not in the way. */
export async function recordFound(transaction: Transaction, { rebuild, found, origin, attempt, now }: FoundBackup): Promise<void> {
  const judged = standingOf(found);
  const place = logPlaceOf(found.method, found.positions);
  const id = newIdAt('backup', new Date(found.createdAt));
  const removedAt = found.place === 'trash' ? found.storedAt : null;
  const run = attempt?.accepted ? attempt.run : null;
  const [row] = await transaction.query(
    `INSERT INTO backups (id, organization_id, snapshot, repository_id, run_id, plan_id, server_id, database_id, database_name, method, label, consistency, state,
       consistent_at, objects, rows, size_bytes, added_bytes, server_version, tool, findings, created_at, backup_type, names, found, retention_reason,
       removal_requested_at, removed_at, log_timeline, log_start, log_end, system_identity, parent_snapshot)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $27, $28, $29, $30, $31, $32)
     ON CONFLICT DO NOTHING RETURNING 1`,
    [
      id,
      rebuild.organization_id,
      found.snapshot,
      rebuild.repository_id,
      run,
      origin.plan?.id ?? null,
      origin.server.id,
      origin.database,
      found.database?.name ?? null,
      found.method,
      found.label,
      found.consistency,
      attempt?.accepted ?? judged.state,
      found.consistentAt,
      judged.objects,
      judged.rows,
      judged.bytes,
      found.addedBytes,
      found.server.version,
      found.tool,
      JSON.stringify([...found.findings, ...judged.findings]),
      found.createdAt,
      typeOfLabel(found.label),
      [origin.server.name, origin.plan?.name ?? []].flat().join(' '),
      JSON.stringify({ at: now.toISOString(), run: found.run, by: rebuild.id }),
      removedAt ? IN_TRASH : NOT_LOOKED_AT,
      removedAt,
      place?.timeline ?? null,
      place?.start ?? null,
      place?.end ?? null,
      place?.system ?? null,
      found.parent ?? null,
    ],
  );
  if (row && run) await transaction.query(`UPDATE runs SET backup_id = $2 WHERE id = $1`, [run, id]);
}
