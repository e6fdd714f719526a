import { createHash } from 'node:crypto';
import { newId, RahatError, type Answer, type PostgresqlAddress, type RecoveryOutline, type RestorePlan } from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';
import type { RestoreRequest } from '../runs/run-specs.js';
import type { RunRow } from '../runs/runs.table.js';

export type Outline = Answer<'restore.outline.v1'>;

export interface RestorePlanRow {
  id: string;
  backup_id: string;
  server_id: string;
  request: RestoreRequest;
  outline: Outline & { address: PostgresqlAddress; recovery?: RecoveryOutline };
  hash: string;
  created_at: Date;
  expires_at: Date;
  run_id: string | null;
}

/** Keeps what a restore will do and what was seen then; the hash covers all of it. */
export async function insertRestorePlan(
  transaction: Transaction,
  organization: string,
  plan: Omit<RestorePlanRow, 'id' | 'hash' | 'run_id'>,
): Promise<RestorePlanRow> {
  const unhashed = { ...plan, id: newId('restorePlan'), run_id: null };
  const row: RestorePlanRow = { ...unhashed, hash: hashOf(unhashed) };
  await transaction.query(
    `INSERT INTO restore_plans (id, organization_id, backup_id, server_id, request, outline, hash, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
    [
      row.id,
      organization,
      row.backup_id,
      row.server_id,
      JSON.stringify(row.request),
      JSON.stringify(row.outline),
      row.hash,
      row.created_at,
      row.expires_at,
    ],
  );
  return row;
}

export async function findRestorePlan(transaction: Transaction, id: string): Promise<RestorePlanRow> {
  const [row] = await transaction.query<RestorePlanRow>(`SELECT * FROM restore_plans WHERE id = $1`, [id]);
  if (!row) throw new RahatError('not_found', `There is no restore plan ${id}`);
  return row;
}

/** What the run of a restore was told; of other runs there is nothing. */
export async function requestOfRun(
  transaction: Transaction,
  { restore_plan_id: plan }: Pick<RunRow, 'restore_plan_id'>,
): Promise<RestoreRequest | undefined> {
  if (!plan) return undefined;
  const [row] = await transaction.query<{ request: RestoreRequest }>(`SELECT request FROM restore_plans WHERE id = $1`, [plan]);
  return row?.request;
}

export async function recordPlanRun(transaction: Transaction, id: string, run: string): Promise<void> {
  await transaction.query(`UPDATE restore_plans SET run_id = $2 WHERE id = $1`, [id, run]);
}

function hashOf(row: Omit<RestorePlanRow, 'hash'>): string {
  const { hash: _absent, ...everything } = presentRestorePlan({ ...row, hash: '' });
  return createHash('sha256').update(JSON.stringify(everything)).digest('hex');
}

export function presentRestorePlan(row: RestorePlanRow): RestorePlan {
  const { target, fromDatabase, tables, intoExisting, merge, noOwner, noAcl } = row.request;
  const { steps, overwrites, findings, sizeBytes, rows } = row.outline;
  return {
    id: row.id,
    backup: row.backup_id,
    server: row.server_id,
    target,
    fromDatabase: fromDatabase ?? null,
    tables: tables ?? null,
    recovery: row.outline.recovery ?? null,
    intoExisting,
    merge: merge ?? null,
    noOwner,
    noAcl,
    steps,
    overwrites,
    findings,
    sizeBytes,
    rows,
    hash: row.hash,
    createdAt: row.created_at.toISOString(),
    expiresAt: row.expires_at.toISOString(),
  };
}
