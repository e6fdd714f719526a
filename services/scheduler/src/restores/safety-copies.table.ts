import { RahatError, type KeptSafetyCopy, type SafetyCopyQuery } from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';

export interface SafetyCopyRow {
  /** Of the restore that left it. */
  run_id: string;
  organization_id: string;
  server_id: string;
  database_name: string;
  schema_name: string;
  /** null: whether the restore was committed isn't known. */
  rows: string | null;
  restored_at: Date;
  expires_at: Date;
  drop_at: Date;
  drop_tries: number;
  ending_run_id: string | null;
  ended_at: Date | null;
  /** `left`: its server could not be reached for so long that it was given up. */
  ended_as: 'undone' | 'dropped' | 'expired' | 'left' | null;
}

export type NewSafetyCopy = Pick<
  SafetyCopyRow,
  'run_id' | 'organization_id' | 'server_id' | 'database_name' | 'schema_name' | 'restored_at' | 'expires_at'
> & { rows: number | null };

/** The run that undoes or drops it just now. */
const ENDING = `(SELECT id FROM runs WHERE runs.id = safety_copies.ending_run_id AND runs.state IN ('due', 'queued', 'running'))`;

export async function insertSafetyCopy(transaction: Transaction, copy: NewSafetyCopy): Promise<void> {
  await transaction.query(
    `INSERT INTO safety_copies (run_id, organization_id, server_id, database_name, schema_name, rows, restored_at, expires_at, drop_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)`,
    [copy.run_id, copy.organization_id, copy.server_id, copy.database_name, copy.schema_name, copy.rows, copy.restored_at, copy.expires_at],
  );
}

export type ListedSafetyCopyRow = SafetyCopyRow & { ending: string | null; backup_id: string | null };

/** Of restores that nobody undid or forgot, the newest first: those after a place, and one more than asked for. */
export async function listSafetyCopies(
  transaction: Transaction,
  organization: string,
  { server, database, limit }: SafetyCopyQuery,
  [restoredAt, run]: readonly string[],
): Promise<ListedSafetyCopyRow[]> {
  return transaction.query<ListedSafetyCopyRow>(
    `SELECT safety_copies.*, ${ENDING} AS ending, (SELECT backup_id FROM runs WHERE runs.id = run_id) AS backup_id FROM safety_copies
      WHERE organization_id = $1 AND ended_at IS NULL AND ($2::timestamptz IS NULL OR (restored_at, run_id) < ($2, $3))
        AND ($4::text IS NULL OR server_id = $4) AND ($5::text IS NULL OR database_name = $5)
      ORDER BY restored_at DESC, run_id DESC LIMIT $6`,
    [organization, restoredAt ?? null, run ?? null, server ?? null, database ?? null, limit + 1],
  );
}

export function presentSafetyCopy(row: ListedSafetyCopyRow): KeptSafetyCopy {
  return {
    run: row.run_id,
    server: row.server_id,
    backup: row.backup_id,
    database: row.database_name,
    schema: row.schema_name,
    rows: row.rows === null ? null : Number(row.rows),
    restoredAt: row.restored_at.toISOString(),
    expiresAt: row.expires_at.toISOString(),
    ending: row.ending,
  };
}

/** To end it: nobody else begins that meanwhile, and nobody did already. */
export async function lockSafetyCopy(transaction: Transaction, run: string): Promise<SafetyCopyRow> {
  const [copy] = await transaction.query<SafetyCopyRow>(`SELECT * FROM safety_copies WHERE run_id = $1 FOR UPDATE`, [run]);
  if (!copy || copy.ended_at)
    throw new RahatError('safety_copy_not_found', copy ? `${inWords(copy)} of the restore ${run}` : `The run ${run} left no safety copy`, {
      hint: 'GET /api/v2/restores/safety-copies lists those that are there.',
    });
  const [row] = await transaction.query<{ ending: string | null }>(`SELECT ${ENDING} AS ending FROM safety_copies WHERE run_id = $1`, [
    run,
  ]);
  if (row?.ending) throw new RahatError('conflict', `The safety copy of ${run} is being undone or dropped, by ${row.ending}`);
  return copy;
}

function inWords({ ended_as: ended }: SafetyCopyRow): string {
  switch (ended) {
    case 'undone':
      return 'An undo used the safety copy';
    case 'expired':
      return 'The time is over for the safety copy';
    case 'left':
      return 'Nothing is known any more of the safety copy';
    default:
      return 'Somebody dropped the safety copy';
  }
}

/** Those whose time is over, while nobody undoes or drops them. */
export async function lockExpired(transaction: Transaction, now: Date, limit: number): Promise<SafetyCopyRow[]> {
  return transaction.query<SafetyCopyRow>(
    `SELECT * FROM safety_copies WHERE ended_at IS NULL AND drop_at <= $1 AND ${ENDING} IS NULL ORDER BY drop_at LIMIT ${limit} FOR UPDATE SKIP LOCKED`,
    [now],
  );
}

export async function dropLater(transaction: Transaction, run: string, at: Date): Promise<void> {
  await transaction.query(`UPDATE safety_copies SET drop_at = $2, drop_tries = drop_tries + 1 WHERE run_id = $1`, [run, at]);
}

export async function recordEnding(transaction: Transaction, run: string, ending: string): Promise<void> {
  await transaction.query(`UPDATE safety_copies SET ending_run_id = $2 WHERE run_id = $1`, [run, ending]);
}

export async function recordEnd(
  transaction: Transaction,
  run: string,
  end: { as: NonNullable<SafetyCopyRow['ended_as']>; at: Date },
): Promise<void> {
  await transaction.query(`UPDATE safety_copies SET ended_as = $2, ended_at = $3 WHERE run_id = $1 AND ended_at IS NULL`, [
    run,
    end.as,
    end.at,
  ]);
}
