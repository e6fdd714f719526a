import { wholeOrganization, type TenantDatabase } from '@rahat/persistence';
import type { Clock } from '../clock/clock.js';
import { BAD, EXPECTED, GOOD, LIVE, SCHEDULED } from './facts.js';
import { ALLOWED_DELAY_MS, coverOf, runsOfLine, type Cover, type LineKey } from './protections.table.js';

/** Of one transaction: others wait for no more, and PostgreSQL doesn't compile the statement first, which takes longer. */
const LINES_AT_ONCE = 1_000;

/**
 * Brings the rows of changed lines up to date. Whoever changes a backup or a run marks its line in the same transaction (triggers of
 * migration 0009). Marks are taken in one statement and their lines computed in the next, whose snapshot is therefore not older than
 * what was marked; a change that comes in between has a mark of its own.
 */
export class Settling {
  constructor(
    private readonly database: TenantDatabase,
    private readonly clock: Clock,
  ) {}

  /** Afterwards the rows of this organization tell of all that was committed before; not of what comes meanwhile, which could be without end. */
  async settle(organization: string): Promise<void> {
    const marked = await this.database.inOrganization(wholeOrganization(organization), (transaction) =>
      transaction.query<LineKey>(MARKED_LINES, [organization]),
    );
    for (let start = 0; start < marked.length; start += LINES_AT_ONCE)
      await this.settleLines(organization, marked.slice(start, start + LINES_AT_ONCE));
  }

  /** Where nobody looks marks would pile up. */
  async settleAll(): Promise<void> {
    const marked = await this.database.asSystem('look for changed protections', (transaction) =>
      transaction.query<{ organization_id: string }>(`SELECT DISTINCT organization_id FROM protection_marks`),
    );
    for (const { organization_id } of marked) await this.settle(organization_id);
  }

  /** As system: row security would look at each row's organization, which stands in no index of a line. A line is of one organization. */
  private settleLines(organization: string, marked: readonly LineKey[]): Promise<void> {
    return this.database.asSystem('settle protections', async (transaction) => {
      // One at a time, or two would lock marks in each other's way. Who had to wait finds the marks gone and the rows there.
      await transaction.query(`SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`, [`rahat.scheduler.protections.${organization}`]);
      const lines = await transaction.query<LineKey>(TAKE_MARKS, [organization, ...keysOf(marked)]);
      const now = this.clock.now();
      for (const [kind, some] of Map.groupBy(lines, kindOf))
        await transaction.query(writeLines(kind), [organization, ...keysOf(some), now, new Date(now.getTime() - ALLOWED_DELAY_MS)]);
    });
  }
}

function keysOf(lines: readonly LineKey[]): string[][] {
  return [lines.map((line) => line.server_id), lines.map((line) => line.plan_id), lines.map((line) => line.database_id)];
}

export const MARKED_LINES = `SELECT DISTINCT server_id, plan_id, database_id FROM protection_marks WHERE organization_id = $1 ORDER BY server_id, plan_id, database_id`;

export const TAKE_MARKS = `
  WITH taken AS (
    DELETE FROM protection_marks AS mark USING unnest($2::text[], $3::text[], $4::text[]) AS line (server_id, plan_id, database_id)
    WHERE mark.organization_id = $1 AND mark.server_id = line.server_id AND mark.plan_id = line.plan_id AND mark.database_id = line.database_id
    RETURNING line.server_id, line.plan_id, line.database_id
  )
  SELECT DISTINCT server_id, plan_id, database_id FROM taken ORDER BY server_id, plan_id, database_id`;

type LineKind = `${'planned' | 'unplanned'} ${Cover}`;

function kindOf(line: LineKey): LineKind {
  return `${line.plan_id === '' ? 'unplanned' : 'planned'} ${coverOf(line)}`;
}

/** $1 organization, $2 servers, $3 plans, $4 databases, $5 now, $6 the moment since when a run may still be late. */
export function writeLines(kind: LineKind): string {
  const [planned, cover] = kind.split(' ') as ['planned' | 'unplanned', Cover];
  const plan = planned === 'unplanned' ? 'plan_id IS NULL' : 'plan_id = line.plan_id';
  const database = cover === 'server' ? 'database_id IS NULL' : 'database_id = line.database_id';
  const backups = (condition: string) => `FROM backups WHERE server_id = line.server_id AND ${plan} AND ${database} AND ${condition}`;
  // Runs without a plan are nobody's promise.
  const runs = (condition: string) => runsOfLine(cover, condition);
  const whole = (what: string) => `${what} FILTER (WHERE proof <> 'damaged')`;
  return `
    WITH looked AS (
      SELECT line.*, live.backups, live.newest_at, live.newest_consistent_at, live.last_proven_at,
        newest.proof AS newest_proof, newest.database_name, newest.size_bytes, newest.added_bytes,
        COALESCE(latest.damaged, false) AS newest_damaged, verification.error AS verification_error,
        bad.failures, failed.error AS last_error, failed.reasons AS last_reasons,
        next.at AS next_at, before.at AS due_before, following.at AS due_then, after.at AS due_after,
        (latest.id IS NOT NULL OR bad.failures > 0 OR before.at IS NOT NULL OR following.at IS NOT NULL) AS known
      FROM unnest($2::text[], $3::text[], $4::text[]) AS line (server_id, plan_id, database_id)
      CROSS JOIN LATERAL (
        SELECT ${whole('count(*)')} AS backups, ${whole('max(created_at)')} AS newest_at,
          ${whole('max(consistent_at)')} AS newest_consistent_at, ${whole('max(proven_at)')} AS last_proven_at
        ${backups(LIVE)}) AS live
      LEFT JOIN LATERAL (
        SELECT proof, database_name, size_bytes, added_bytes ${backups(`${LIVE} AND proof <> 'damaged'`)} ${NEWEST_FIRST} LIMIT 1) AS newest ON true
      LEFT JOIN LATERAL (SELECT id, proof = 'damaged' AS damaged ${backups(LIVE)} ${NEWEST_FIRST} LIMIT 1) AS latest ON true
      LEFT JOIN LATERAL (
        SELECT CASE WHEN state = 'failed' THEN runs.error END AS error FROM runs
        WHERE backup_id = latest.id AND type = 'verification' AND finished_at IS NOT NULL AND state <> 'cancelled'
        ORDER BY finished_at DESC, id DESC LIMIT 1) AS verification ON true
      CROSS JOIN LATERAL (SELECT max(finished_at) AS at ${runs(GOOD)}) AS good
      CROSS JOIN LATERAL (
        SELECT count(*) AS failures, max(finished_at) AS last_at ${runs(`${BAD} AND finished_at > COALESCE(good.at, '-infinity')`)}) AS bad
      LEFT JOIN LATERAL (SELECT error, reasons ${runs(`${BAD} AND finished_at = bad.last_at`)} ORDER BY id DESC LIMIT 1) AS failed ON true
      CROSS JOIN LATERAL (SELECT min(due_at) AS at ${runs(`${EXPECTED} AND due_at > $5`)}) AS next
      CROSS JOIN LATERAL (SELECT max(due_at) AS at ${runs(`${SCHEDULED} AND due_at < $6`)}) AS before
      CROSS JOIN LATERAL (SELECT min(due_at) AS at ${runs(`${SCHEDULED} AND due_at >= $6`)}) AS following
      CROSS JOIN LATERAL (SELECT min(due_at) AS at ${runs(`${SCHEDULED} AND due_at > following.at`)}) AS after
    ), gone AS (
      DELETE FROM protections USING looked WHERE protections.organization_id = $1 AND protections.server_id = looked.server_id
        AND protections.plan_id = looked.plan_id AND protections.database_id = looked.database_id AND NOT looked.known
    )
    INSERT INTO protections (organization_id, server_id, plan_id, database_id, looked_at, ${COLUMNS.join(', ')})
      SELECT $1, server_id, plan_id, database_id, $5, ${COLUMNS.join(', ')} FROM looked WHERE known
      ON CONFLICT (organization_id, server_id, plan_id, database_id) DO UPDATE
        SET looked_at = EXCLUDED.looked_at, ${COLUMNS.map((column) => `${column} = EXCLUDED.${column}`).join(', ')}`;
}

const NEWEST_FIRST = 'ORDER BY created_at DESC, id DESC';

const COLUMNS = [
  'backups',
  'newest_at',
  'newest_consistent_at',
  'newest_proof',
  'last_proven_at',
  'database_name',
  'size_bytes',
  'added_bytes',
  'newest_damaged',
  'verification_error',
  'failures',
  'last_error',
  'last_reasons',
  'next_at',
  'due_before',
  'due_then',
  'due_after',
];
