import type { KeptSafetyCopy, SafetyCopy } from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';
import type { RunRow } from '../runs/runs.table.js';

/** The longest that one is kept, and then some for runs that waited. */
const LONGEST_MS = 400 * 86_400_000;
const MOST = 1_000;

/** A run that put the rows of a safety copy back, or dropped it; its plan says of which restore. Found by the backup of both. */
const ENDING = `FROM runs e JOIN restore_plans p ON p.id = e.restore_plan_id
  WHERE e.backup_id = r.backup_id AND e.type = 'restore' AND p.request -> 'safetyCopy' ->> 'of' = r.id`;

/** Of restores that nobody undid or forgot, the newest first. */
export async function listSafetyCopies(transaction: Transaction, organization: string, now: Date): Promise<KeptSafetyCopy[]> {
  const rows = await transaction.query<{ id: string; server_id: string; backup_id: string | null; finished_at: Date; copy: SafetyCopy }>(
    `SELECT r.id, r.server_id, r.backup_id, r.finished_at, r.evidence -> 'safetyCopy' AS copy FROM runs r
      WHERE r.organization_id = $1 AND r.type = 'restore' AND r.state <> 'expected' AND r.due_at > $2 AND r.evidence -> 'safetyCopy' IS NOT NULL
        AND NOT EXISTS (SELECT ${ENDING} AND e.state = 'succeeded')
      ORDER BY r.due_at DESC, r.id DESC LIMIT ${MOST}`,
    [organization, new Date(now.getTime() - LONGEST_MS)],
  );
  return rows.map(({ id, server_id, backup_id, finished_at, copy }) => ({
    ...copy,
    run: id,
    server: server_id,
    backup: backup_id,
    restoredAt: finished_at.toISOString(),
  }));
}

/** The run that ended the safety copy of this restore, or is about to. */
export async function isEnding(transaction: Transaction, run: Pick<RunRow, 'id'>): Promise<string | undefined> {
  const [row] = await transaction.query<{ id: string }>(
    `SELECT x.id FROM runs r, LATERAL (SELECT e.id ${ENDING} AND e.state NOT IN ('failed', 'cancelled', 'missed', 'skipped')) x WHERE r.id = $1`,
    [run.id],
  );
  return row?.id;
}
