import type { Principal, RunError, Status } from '@rahat/contracts';
import type { ServiceDatabase, Transaction } from '@rahat/persistence';
import type { Clock } from '../clock/clock.js';
import { coveredBy, type DatabaseRow } from '../databases/databases.table.js';
import { coversWholeServer, type PlanRow } from '../plans/plans.table.js';
import { selectsServer } from '../plans/plan-servers.js';
import { scheduleOf, schedulesOf } from '../plans/schedules.table.js';
import type { ServerRow } from '../servers/servers.table.js';
import type { Proof } from '../verification/proof.js';
import { longestGapMs } from './longest-gap.js';
import { statusOf, summarize, type Protection } from './database-status.js';

/** A scheduled backup may take this long before its absence turns a database red. */
const ALLOWED_DELAY_MS = 3_600_000;

interface BackupLine {
  server_id: string;
  plan_id: string | null;
  database_id: string | null;
  backups: string;
  newest_at: Date | null;
  newest_consistent_at: Date | null;
  newest_proof: Proof | null;
  last_proven_at: Date | null;
  /** Of the newest whole backup, damaged or not: what its last verification failed with. */
  newest_damaged: boolean;
  verification_error: RunError | null;
}

interface RunLine {
  server_id: string;
  plan_id: string;
  database_id: string | null;
  next_at: Date | null;
  last_due_at: Date | null;
  failures: string;
  last_error: RunError | null;
  last_reasons: string[] | null;
}

interface Line {
  plan: PlanRow;
  /** Absent for a plan that covers the whole server. */
  id: string | null;
  name: string;
}

export class StatusService {
  constructor(
    private readonly database: ServiceDatabase,
    private readonly clock: Clock,
  ) {}

  async status(principal: Principal): Promise<Status> {
    const now = this.clock.now();
    const protections = await this.database.inOrganization(principal.organization, (transaction) => protectionsOf(transaction, now));
    const databases = protections.map((protection) => statusOf(protection, now));
    return { ...summarize(databases, now), databases, at: now.toISOString() };
  }

  /** Of all organizations, for the metrics. */
  async everywhere(): Promise<{ organization: string; protections: Protection[] }[]> {
    const organizations = await this.database.asSystem('measure the protection of every database', (transaction) =>
      transaction.query<{ id: string }>(`SELECT DISTINCT organization_id AS id FROM servers WHERE deleted_at IS NULL`),
    );
    const all: { organization: string; protections: Protection[] }[] = [];
    for (const { id } of organizations)
      all.push({
        organization: id,
        protections: await this.database.inOrganization(id, (transaction) => protectionsOf(transaction, this.clock.now())),
      });
    return all;
  }
}

async function allowedAges(transaction: Transaction, plans: PlanRow[], now: Date): Promise<Map<string, number | null>> {
  const schedules = await schedulesOf(transaction, plans);
  return new Map(
    plans.map((plan) => {
      const gap = plan.enabled ? longestGapMs((schedules.get(plan.id) ?? []).map(scheduleOf), now) : null;
      return [plan.id, gap === null ? null : gap + ALLOWED_DELAY_MS];
    }),
  );
}

async function protectionsOf(transaction: Transaction, now: Date): Promise<Protection[]> {
  const servers = await transaction.query<ServerRow>(`SELECT * FROM servers WHERE deleted_at IS NULL ORDER BY platform, name`);
  const databases = await transaction.query<DatabaseRow>(`SELECT * FROM databases ORDER BY name`);
  const plans = await transaction.query<PlanRow>(`SELECT * FROM plans WHERE deleted_at IS NULL ORDER BY name`);
  const backups = byLine(await transaction.query<BackupLine>(BACKUP_LINES));
  const runs = byLine(await transaction.query<RunLine>(RUN_LINES, [now, new Date(now.getTime() - ALLOWED_DELAY_MS)]));
  const allowed = await allowedAges(transaction, plans, now);
  return servers.flatMap((server) => {
    const found = databases.filter((database) => database.server_id === server.id);
    const own = plans.filter((plan) => selectsServer(plan, server));
    const lines = own.flatMap((plan): Line[] =>
      coversWholeServer(plan)
        ? [{ plan, id: null, name: 'whole server' }]
        : coveredBy(plan, found).map((database) => ({ plan, id: database.id, name: database.name })),
    );
    const covered = new Set(lines.map((line) => line.id));
    const uncovered = own.some((plan) => coversWholeServer(plan))
      ? []
      : found.filter((database) => !covered.has(database.id) && !database.excluded && !database.missing_since && database.connectable);
    return [
      ...lines.map(({ plan, id, name }) =>
        protectionOf(
          server,
          { id, name },
          plan,
          backups.get(lineKey(server.id, plan.id, id)),
          runs.get(lineKey(server.id, plan.id, id)),
          allowed.get(plan.id) ?? null,
        ),
      ),
      ...uncovered.map((database) => protectionOf(server, database, null, undefined, undefined, null)),
    ];
  });
}

function protectionOf(
  server: ServerRow,
  database: { id: string | null; name: string },
  plan: PlanRow | null,
  backups: BackupLine | undefined,
  runs: RunLine | undefined,
  allowedAgeMs: number | null,
): Protection {
  return {
    server: server.id,
    serverName: server.name,
    engine: server.engine,
    database: database.id,
    databaseName: database.name,
    plan: plan ? { id: plan.id, name: plan.name, enabled: plan.enabled } : null,
    backups: Number(backups?.backups ?? 0),
    newest: backups?.newest_at
      ? { at: backups.newest_at, consistentAt: backups.newest_consistent_at!, proof: backups.newest_proof! }
      : null,
    allowedAgeMs,
    lastProvenAt: backups?.last_proven_at ?? null,
    nextRunAt: (plan?.enabled ? runs?.next_at : null) ?? null,
    lastDueAt: runs?.last_due_at ?? null,
    failuresSinceSuccess: Number(runs?.failures ?? 0),
    failure: failureOf(backups, runs),
  };
}

function failureOf(backups: BackupLine | undefined, runs: RunLine | undefined): RunError | null {
  if (runs && Number(runs.failures) > 0)
    return (
      runs.last_error ?? {
        code: 'preflight_blocked',
        message: (runs.last_reasons ?? []).join(' ') || 'The last backup is not whole',
        retryable: false,
      }
    );
  if (backups?.newest_damaged)
    return backups.verification_error ?? { code: 'repository_damaged', message: 'The newest backup is damaged', retryable: false };
  return backups?.verification_error ?? null;
}

function lineKey(server: string, plan: string | null, database: string | null): string {
  return `${server} ${plan ?? ''} ${database ?? ''}`;
}

function byLine<Row extends { server_id: string; plan_id: string | null; database_id: string | null }>(rows: Row[]): Map<string, Row> {
  return new Map(rows.map((row) => [lineKey(row.server_id, row.plan_id, row.database_id), row]));
}

const BACKUP_LINES = `
  WITH lines AS (
    SELECT server_id, plan_id, database_id,
      count(*) FILTER (WHERE proof <> 'damaged') AS backups,
      max(created_at) FILTER (WHERE proof <> 'damaged') AS newest_at,
      max(consistent_at) FILTER (WHERE proof <> 'damaged') AS newest_consistent_at,
      (array_agg(proof ORDER BY created_at DESC, id DESC) FILTER (WHERE proof <> 'damaged'))[1] AS newest_proof,
      max(proven_at) FILTER (WHERE proof <> 'damaged') AS last_proven_at,
      (array_agg(id ORDER BY created_at DESC, id DESC))[1] AS newest_id,
      (array_agg(proof ORDER BY created_at DESC, id DESC))[1] = 'damaged' AS newest_damaged
    FROM backups WHERE state = 'succeeded' AND removal_requested_at IS NULL AND missing_since IS NULL GROUP BY server_id, plan_id, database_id
  )
  SELECT lines.*, (
    SELECT CASE WHEN runs.state = 'failed' THEN runs.error END FROM runs
    WHERE runs.backup_id = lines.newest_id AND runs.type = 'verification' AND runs.finished_at IS NOT NULL AND runs.state <> 'cancelled' ORDER BY runs.finished_at DESC LIMIT 1
  ) AS verification_error
  FROM lines`;

const RUN_LINES = `
  WITH good AS (
    SELECT server_id, plan_id, database_id, max(finished_at) AS at FROM runs WHERE type = 'backup' AND state = 'succeeded' GROUP BY server_id, plan_id, database_id
  )
  SELECT runs.server_id, runs.plan_id, runs.database_id,
    min(runs.due_at) FILTER (WHERE runs.state = 'expected' AND runs.due_at > $1) AS next_at,
    max(runs.due_at) FILTER (WHERE runs.cause = 'schedule' AND runs.state <> 'skipped' AND runs.due_at < $2) AS last_due_at,
    count(*) FILTER (WHERE runs.state IN ('failed', 'partial', 'missed') AND (good.at IS NULL OR runs.finished_at > good.at)) AS failures,
    (array_agg(runs.error ORDER BY runs.finished_at DESC) FILTER (WHERE runs.state IN ('failed', 'partial', 'missed') AND (good.at IS NULL OR runs.finished_at > good.at)))[1] AS last_error,
    (array_agg(runs.reasons ORDER BY runs.finished_at DESC) FILTER (WHERE runs.state IN ('failed', 'partial', 'missed') AND (good.at IS NULL OR runs.finished_at > good.at)))[1] AS last_reasons
  FROM runs LEFT JOIN good ON good.server_id = runs.server_id AND good.plan_id = runs.plan_id AND good.database_id IS NOT DISTINCT FROM runs.database_id
  WHERE runs.type = 'backup' AND runs.plan_id IS NOT NULL GROUP BY runs.server_id, runs.plan_id, runs.database_id`;
