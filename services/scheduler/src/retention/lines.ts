import { isDeepStrictEqual } from 'node:util';
import type { Transaction } from '@rahat/persistence';
import type { BackupRow } from '../backups/backups.table.js';
import { retentionOf, type PlanRow } from '../plans/plans.table.js';
import { schedulesOfPlan } from '../plans/schedules.table.js';
import { demandedProof } from '../verification/proof.js';
import { basesOf } from './chains.js';
import { decideRetention, type LinePolicy, type RetainedBackup, type RetentionDecision } from './retention.js';

/** What decides about a backup and what tells of it: of a hundred thousand rows the others would be most of the work. */
const COLUMNS = [
  'id',
  'organization_id',
  'repository_id',
  'snapshot',
  'parent_snapshot',
  'server_id',
  'database_id',
  'database_name',
  'backup_type',
  'state',
  'proof',
  'consistent_at',
  'size_bytes',
  'added_bytes',
  'retention_reason',
  'hold',
  'due_since',
  'removal_requested_at',
  'missing_since',
] as const satisfies (keyof BackupRow)[];
export type RetainedRow = Pick<BackupRow, (typeof COLUMNS)[number]> & { in_use: boolean };

/** What is decided about one backup. */
export interface DecidedRow {
  row: RetainedRow;
  decision: RetentionDecision;
}

/** The backups that retention decides about together: of one database, or of one server where they hold all of it. */
export interface Line {
  server: string;
  database: string | null;
}

/** Asked once for all rows: what runs is little beside what is kept. A backup that is under way needs what it is taken upon. */
const IN_USE = `(id IN (SELECT backup_id FROM runs WHERE type <> 'backup' AND state IN ('due', 'queued', 'running') AND backup_id IS NOT NULL)
  OR (repository_id, snapshot) IN (SELECT runs.repository_id, attempts.parent_snapshot FROM runs JOIN attempts ON attempts.run_id = runs.id AND attempts.attempt = runs.attempt
    WHERE runs.type = 'backup' AND runs.state IN ('queued', 'running') AND attempts.parent_snapshot IS NOT NULL))`;
const RETAINED = `SELECT ${COLUMNS.join(', ')}, ${IN_USE} AS in_use FROM backups`;

export async function policyOf(transaction: Transaction, plan: PlanRow): Promise<LinePolicy> {
  const [schedule] = await schedulesOfPlan(transaction, plan);
  return policyIn(plan, schedule?.time_zone);
}

function policyIn(plan: PlanRow, timeZone = 'UTC'): LinePolicy {
  return { ...rulesOf(plan), timeZone };
}

function rulesOf(plan: PlanRow): Omit<LinePolicy, 'timeZone'> {
  return { ...retentionOf(plan), demanded: demandedProof([...plan.verify, ...plan.verify_schedules.map(({ level }) => level)]) };
}

/** What an edited policy lets go is weighed as a whole, whatever the one before had let go (ADR 14). */
export async function forgetDueBackups(transaction: Transaction, before: PlanRow, after: PlanRow): Promise<void> {
  if (isDeepStrictEqual(rulesOf(before), rulesOf(after))) return;
  await transaction.query(`UPDATE backups SET due_since = NULL WHERE plan_id = $1 AND removed_at IS NULL AND due_since IS NOT NULL`, [
    after.id,
  ]);
}

/** Of one line, or of all lines of the plan; each newest first. Those that left the trash for ever are no part of it. */
export async function decidedLines(transaction: Transaction, plan: PlanRow, policy: LinePolicy, line?: Line): Promise<DecidedRow[][]> {
  const { where, parameters } = retainedBy(plan, line);
  const sql = `${RETAINED} WHERE ${where} ORDER BY consistent_at DESC`;
  const rows = await (line ? transaction.prepared<RetainedRow>(sql, parameters) : transaction.query<RetainedRow>(sql, parameters));
  const lines = Map.groupBy(rows, (row) => `${row.server_id} ${row.database_id ?? ''} ${row.repository_id}`);
  return [...lines.values()].map((ofLine) => decided(ofLine, policy));
}

/** One retention of a plan at a time; undefined when there is no such plan any more. */
export async function lockForRetention(
  transaction: Transaction,
  id: string | null,
): Promise<{ plan: PlanRow; policy: LinePolicy } | undefined> {
  const [plan] = await transaction.query<PlanRow & { time_zone: string | null }>(
    `SELECT *, (SELECT time_zone FROM schedules WHERE plan_id = plans.id ORDER BY position LIMIT 1) AS time_zone
     FROM plans WHERE id = $1 AND deleted_at IS NULL FOR UPDATE OF plans`,
    [id],
  );
  return plan && { plan, policy: policyIn(plan, plan.time_zone ?? undefined) };
}

/** Nobody begins to read, hold or remove one of them meanwhile. `plan` is locked. */
export async function lockBackups(transaction: Transaction, plan: PlanRow, line?: Line): Promise<void> {
  const { where, parameters } = retainedBy(plan, line);
  await transaction.query(`SELECT 1 FROM backups WHERE ${where} ORDER BY id FOR UPDATE`, parameters);
}

/** What a row is told, if it still has the reason that is known of it. */
export interface Told {
  ids: string[];
  known: string;
  reason: string;
  due: boolean;
}

/** Through the index of the line, as they were read: each by its id would take twice as long. */
export async function tellBackups(transaction: Transaction, told: readonly Told[], now: Date, plan: PlanRow, line?: Line): Promise<void> {
  const { where, parameters } = retainedBy(plan, line);
  const [json, time] = [`$${parameters.length + 1}`, `$${parameters.length + 2}`];
  const sql = `UPDATE backups SET retention_reason = told.reason, due_since = CASE WHEN told.due THEN COALESCE(backups.due_since, ${time}::timestamptz) END
    FROM (SELECT unnest(ids) AS told_id, known, reason, due FROM json_to_recordset(${json}) AS groups (ids text[], known text, reason text, due boolean)) AS told
    WHERE ${where} AND id = told_id AND retention_reason = known`;
  const values = [...parameters, JSON.stringify(told), now];
  await (line ? transaction.prepared(sql, values) : transaction.query(sql, values));
}

/** A condition for each case: no index answers `IS NOT DISTINCT FROM` or an `OR`, and each database would read all backups of its plan. */
function retainedBy(plan: PlanRow, line: Line | undefined): { where: string; parameters: string[] } {
  const ofPlan = 'plan_id = $1 AND removed_at IS NULL';
  if (!line) return { where: ofPlan, parameters: [plan.id] };
  const ofServer = `${ofPlan} AND server_id = $2`;
  return line.database === null
    ? { where: `${ofServer} AND database_id IS NULL`, parameters: [plan.id, line.server] }
    : { where: `${ofServer} AND database_id = $3`, parameters: [plan.id, line.server, line.database] };
}

/** All that one backup is decided about with, whether a plan stands behind them or no longer. */
export async function lineOf(transaction: Transaction, backup: BackupRow): Promise<RetainedBackup[]> {
  const rows = await transaction.query<RetainedRow>(
    `${RETAINED} WHERE plan_id IS NOT DISTINCT FROM $1 AND server_id = $2 AND database_id IS NOT DISTINCT FROM $3 AND database_name IS NOT DISTINCT FROM $4
       AND repository_id = $5 AND removed_at IS NULL`,
    [backup.plan_id, backup.server_id, backup.database_id, backup.database_name, backup.repository_id],
  );
  return retainedIn(rows);
}

function decided(line: readonly RetainedRow[], policy: LinePolicy): DecidedRow[] {
  const byId = new Map(line.map((row) => [row.id, row]));
  return decideRetention(retainedIn(line), policy).map((decision) => ({ row: byId.get(decision.id)!, decision }));
}

function retainedIn(line: readonly RetainedRow[]): RetainedBackup[] {
  const bases = basesOf(
    line.map((row) => ({
      id: row.id,
      snapshot: row.snapshot,
      parent: row.parent_snapshot,
      type: row.backup_type,
      consistentAt: row.consistent_at,
    })),
  );
  return line.map((row) => ({
    id: row.id,
    consistentAt: row.consistent_at,
    state: row.state,
    proof: row.proof,
    inUse: row.in_use,
    base: bases.get(row.id)!,
    sizeBytes: Number(row.size_bytes),
    hold: row.hold?.reason ?? null,
    // What is not in the repository any more stands for nothing, either.
    trashed: row.removal_requested_at !== null || row.missing_since !== null,
  }));
}
