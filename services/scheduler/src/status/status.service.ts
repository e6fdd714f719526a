import type { DatabaseStatus, Principal, RunError, Status } from '@rahat/contracts';
import { wholeOrganization, type Tenant, type TenantDatabase, type Transaction } from '@rahat/persistence';
import type { Clock } from '../clock/clock.js';
import { scheduleOf, schedulesOf } from '../plans/schedules.table.js';
import {
  ALLOWED_DELAY_MS,
  newestBackups,
  protectionLines,
  type NewestBackup,
  type ProtectionLine,
} from '../protections/protections.table.js';
import type { Settling } from '../protections/settling.js';
import { statusOf, summarize, type Protection } from './database-status.js';
import { longestGapMs } from './longest-gap.js';
import { statedLines, type StatedDatabase, type StatedLine, type StatedPlan, type StatedServer } from './stated-lines.js';

/** What metrics tell of one organization. */
export interface Protected {
  organization: string;
  protections: Protection[];
  newest: NewestBackup[];
}

export class StatusService {
  constructor(
    private readonly database: TenantDatabase,
    private readonly settling: Settling,
    private readonly clock: Clock,
  ) {}

  async status(principal: Principal): Promise<Status> {
    return this.settled(principal, async (transaction, now) => {
      const protections = await protectionsOf(transaction, principal.organization, now);
      const known = await knownPlans(transaction, principal);
      const databases = protections.map((protection) => withoutUnknown(statusOf(protection, now), known));
      return { ...summarize(databases, now), databases, at: now.toISOString() };
    });
  }

  /** Of all organizations, for the metrics. */
  async everywhere(): Promise<Protected[]> {
    const organizations = await this.database.asSystem('measure the protection of every database', (transaction) =>
      transaction.query<{ id: string }>(`SELECT DISTINCT organization_id AS id FROM servers WHERE deleted_at IS NULL`),
    );
    const all: Protected[] = [];
    for (const { id: organization } of organizations)
      all.push(
        await this.settled(wholeOrganization(organization), async (transaction, now) => ({
          organization,
          protections: await protectionsOf(transaction, organization, now),
          newest: await newestBackups(transaction, organization),
        })),
      );
    return all;
  }

  private async settled<T>(tenant: Tenant, read: (transaction: Transaction, now: Date) => Promise<T>): Promise<T> {
    await this.settling.settle(tenant.organization);
    return this.database.inOrganization(tenant, (transaction) => read(transaction, this.clock.now()));
  }
}

/** Those that who asks may know of; null: all. */
async function knownPlans(transaction: Transaction, { serverGroups }: Tenant): Promise<ReadonlySet<string> | null> {
  if (serverGroups === null) return null;
  const rows = await transaction.query<{ id: string }>(`SELECT id FROM plans WHERE deleted_at IS NULL`);
  return new Set(rows.map(({ id }) => id));
}

/** A plan of more servers may bear the names of others. */
function withoutUnknown(status: DatabaseStatus, known: ReadonlySet<string> | null): DatabaseStatus {
  return known === null || status.plan === null || known.has(status.plan) ? status : { ...status, planName: null };
}

async function protectionsOf(transaction: Transaction, organization: string, now: Date): Promise<Protection[]> {
  const servers = await transaction.query<StatedServer>(
    `SELECT id, name, engine, group_ids, tags FROM servers WHERE deleted_at IS NULL ORDER BY platform, name`,
  );
  const databases = await transaction.query<StatedDatabase>(
    `SELECT id, server_id, name, connectable, excluded, missing_since, tags FROM databases ORDER BY name`,
  );
  // A database is protected by a plan that covers others too, whoever asks.
  const { plans, allowed } = await transaction.inWholeOrganization(async () => {
    const stated = await transaction.query<StatedPlan>(
      `SELECT id, name, enabled, method, databases, server_ids, server_groups, server_tags FROM plans WHERE deleted_at IS NULL ORDER BY name`,
    );
    return { plans: stated, allowed: await allowedAges(transaction, stated, now) };
  });
  const known = Map.groupBy(await protectionLines(transaction, organization, now), (line) => line.plan_id);
  const lineOf = new Map(
    [...known].map(([plan, lines]) => [plan, new Map(lines.map((line) => [line.database_id || line.server_id, line]))]),
  );
  return statedLines(servers, databases, plans).map((line) =>
    line.plan
      ? protectionOf(line, lineOf.get(line.plan.id)?.get(line.database.id ?? line.server.id), allowed.get(line.plan.id)!)
      : protectionOf(line, undefined, null),
  );
}

async function allowedAges(transaction: Transaction, plans: StatedPlan[], now: Date): Promise<Map<string, number | null>> {
  const schedules = await schedulesOf(transaction, plans);
  return new Map(
    plans.map((plan) => {
      const gap = plan.enabled ? longestGapMs((schedules.get(plan.id) ?? []).map(scheduleOf), now) : null;
      return [plan.id, gap === null ? null : gap + ALLOWED_DELAY_MS];
    }),
  );
}

function protectionOf({ server, database, plan }: StatedLine, line: ProtectionLine | undefined, allowedAgeMs: number | null): Protection {
  return {
    server: server.id,
    serverName: server.name,
    engine: server.engine,
    database: database.id,
    databaseName: database.name,
    plan: plan && { id: plan.id, name: plan.name, enabled: plan.enabled },
    backups: line?.backups ?? 0,
    newest: line?.newest_proof
      ? { at: new Date(line.newest_at!), consistentAt: new Date(line.newest_consistent_at!), proof: line.newest_proof }
      : null,
    allowedAgeMs,
    lastProvenAt: dateOf(line?.last_proven_at),
    nextRunAt: plan?.enabled ? dateOf(line?.next_at) : null,
    lastDueAt: dateOf(line?.last_due_at),
    failuresSinceSuccess: line?.failures ?? 0,
    failure: line ? failureOf(line) : null,
  };
}

function failureOf(line: ProtectionLine): RunError | null {
  if (line.failures > 0)
    return (
      line.last_error ?? {
        code: 'preflight_blocked',
        message: (line.last_reasons ?? []).join(' ') || 'The last backup is not whole',
        retryable: false,
      }
    );
  if (line.newest_damaged)
    return line.verification_error ?? { code: 'repository_damaged', message: 'The newest backup is damaged', retryable: false };
  return line.verification_error;
}

function dateOf(milliseconds: number | null | undefined): Date | null {
  return milliseconds === null || milliseconds === undefined ? null : new Date(milliseconds);
}
