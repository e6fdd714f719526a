import type { Transaction } from '@rahat/persistence';
import { ALLOWED_DELAY_MS, type ProtectionLine } from '../protections/protections.table.js';

/** What the rows of lines must say, from all backups and all runs each time: slow, and too simple to forget a change. */
export async function protectionsByAggregate(transaction: Transaction, now: Date): Promise<ProtectionLine[]> {
  const backups = await transaction.query<ProtectionLine>(BACKUP_LINES);
  const runs = await transaction.query<ProtectionLine>(RUN_LINES, [now, new Date(now.getTime() - ALLOWED_DELAY_MS)]);
  const lines = new Map<string, ProtectionLine>();
  for (const row of [...backups, ...runs]) {
    const key = `${row.server_id} ${row.plan_id} ${row.database_id}`;
    lines.set(key, { ...UNKNOWN, ...lines.get(key), ...row });
  }
  return [...lines.values()];
}

/** The facts of each line, but of those of which nothing is known: they need no row. */
export function knownOf(lines: readonly ProtectionLine[]) {
  return lines
    .map((line) => ({ line: keyOf(line), facts: FACTS.map((fact) => told(line[fact])) }))
    .filter(({ facts }) => facts.some((fact, index) => fact !== UNKNOWN[FACTS[index]!]))
    .sort((a, b) => a.line.localeCompare(b.line));
}

const keyOf = (line: ProtectionLine) => `${line.server_id} ${line.plan_id} ${line.database_id}`;

const told = (fact: unknown) => (fact instanceof Date ? fact.getTime() : fact);

const UNKNOWN = {
  backups: 0,
  newest_at: null,
  newest_consistent_at: null,
  newest_proof: null,
  last_proven_at: null,
  newest_damaged: false,
  verification_error: null,
  next_at: null,
  last_due_at: null,
  failures: 0,
  last_error: null,
  last_reasons: null,
} as const satisfies Partial<ProtectionLine>;
const FACTS = Object.keys(UNKNOWN) as (keyof typeof UNKNOWN)[];

const BACKUP_LINES = `
  WITH lines AS (
    SELECT server_id, plan_id, database_id,
      count(*) FILTER (WHERE proof <> 'damaged')::int AS backups,
      max(created_at) FILTER (WHERE proof <> 'damaged') AS newest_at,
      max(consistent_at) FILTER (WHERE proof <> 'damaged') AS newest_consistent_at,
      (array_agg(proof ORDER BY created_at DESC, id DESC) FILTER (WHERE proof <> 'damaged'))[1] AS newest_proof,
      max(proven_at) FILTER (WHERE proof <> 'damaged') AS last_proven_at,
      (array_agg(id ORDER BY created_at DESC, id DESC))[1] AS newest_id,
      (array_agg(proof ORDER BY created_at DESC, id DESC))[1] = 'damaged' AS newest_damaged
    FROM backups WHERE state = 'succeeded' AND removal_requested_at IS NULL AND missing_since IS NULL AND plan_id IS NOT NULL
    GROUP BY server_id, plan_id, database_id
  )
  SELECT server_id, plan_id, COALESCE(database_id, '') AS database_id, backups, newest_at, newest_consistent_at, newest_proof, last_proven_at,
    newest_damaged, (
      SELECT CASE WHEN runs.state = 'failed' THEN runs.error END FROM runs
      WHERE runs.backup_id = lines.newest_id AND runs.type = 'verification' AND runs.finished_at IS NOT NULL AND runs.state <> 'cancelled'
      ORDER BY runs.finished_at DESC, id DESC LIMIT 1
    ) AS verification_error
  FROM lines`;

const RUN_LINES = `
  WITH good AS (
    SELECT server_id, plan_id, database_id, max(finished_at) AS at FROM runs WHERE type = 'backup' AND state = 'succeeded'
    GROUP BY server_id, plan_id, database_id
  ), judged AS (
    SELECT runs.*, runs.state IN ('failed', 'partial', 'missed') AND (good.at IS NULL OR runs.finished_at > good.at) AS bad
    FROM runs LEFT JOIN good ON good.server_id = runs.server_id AND good.plan_id = runs.plan_id AND good.database_id IS NOT DISTINCT FROM runs.database_id
    WHERE runs.type = 'backup' AND runs.plan_id IS NOT NULL
  )
  SELECT server_id, plan_id, COALESCE(database_id, '') AS database_id,
    min(due_at) FILTER (WHERE state = 'expected' AND due_at > $1) AS next_at,
    max(due_at) FILTER (WHERE cause = 'schedule' AND state <> 'skipped' AND due_at < $2) AS last_due_at,
    (count(*) FILTER (WHERE bad))::int AS failures,
    (array_agg(error ORDER BY finished_at DESC, id DESC) FILTER (WHERE bad))[1] AS last_error,
    (array_agg(reasons ORDER BY finished_at DESC, id DESC) FILTER (WHERE bad))[1] AS last_reasons
  FROM judged GROUP BY server_id, plan_id, database_id`;

/** Of each database (or whole server), over all plans. */
export const NEWEST_BY_AGGREGATE = `
  SELECT DISTINCT ON (backups.server_id, COALESCE(backups.database_id, '')) backups.server_id, servers.name AS server, servers.engine,
    COALESCE(backups.database_id, '') AS database_id, COALESCE(backups.database_name, 'whole server') AS database,
    backups.size_bytes, backups.added_bytes
  FROM backups JOIN servers ON servers.id = backups.server_id
  WHERE backups.state = 'succeeded' AND backups.removal_requested_at IS NULL AND backups.missing_since IS NULL AND backups.proof <> 'damaged'
    AND servers.deleted_at IS NULL
  ORDER BY backups.server_id, COALESCE(backups.database_id, ''), backups.created_at DESC, backups.plan_id DESC NULLS LAST, backups.id DESC`;
