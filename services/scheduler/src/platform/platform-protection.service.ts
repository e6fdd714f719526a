import { isDeepStrictEqual } from 'node:util';
import {
  newId,
  RetentionInput,
  SourceLimitsInput,
  type PlatformProtection,
  type PostgresqlConnection,
  type Principal,
  type ProtectPlatform,
} from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import { wholeOrganization, type TenantDatabase, type Transaction } from '@rahat/persistence';
import { recordAct } from '@rahat/service-kit';
import { NAMED_BACKUPS, presentBackup, type NamedBackupRow } from '../backups/backups.table.js';
import type { Clock } from '../clock/clock.js';
import { insertPlan } from '../plans/plan-rows.js';
import type { PlanRow } from '../plans/plans.table.js';
import type { BackupNow } from '../runs/backup-now.js';
import { presentRun, type RunRow } from '../runs/runs.table.js';
import type { ServerSecrets } from '../servers/server-secrets.js';
import type { ServerRow } from '../servers/servers.table.js';

const SERVER_NAME = 'Rahat Backup metadata';
const PLAN_NAME = 'Rahat Backup protects itself';
const POOL = 'default';
/** Four times a day: little changes, and little is stored. */
const CRON = '17 */6 * * *';

/** The platform's own metadata database is a server like any other, with one physical plan (design.md §9). */
export class PlatformProtectionService {
  constructor(
    private readonly database: TenantDatabase,
    private readonly outbox: Outbox,
    private readonly secrets: ServerSecrets,
    private readonly backupNow: BackupNow,
    private readonly clock: Clock,
  ) {}

  /** Idempotent: makes what is missing, follows a moved database, and starts a run while nothing was proven yet. */
  async protect(principal: Principal, request: ProtectPlatform): Promise<PlatformProtection> {
    return this.database.inOrganization(wholeOrganization(request.organization), async (transaction) => {
      await transaction.query(`SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`, [
        `rahat.scheduler.platform.${request.organization}`,
      ]);
      const server = await this.ensureServer(transaction, principal, request.organization, request.connection);
      const plan = await this.ensurePlan(transaction, principal, server, request.repository);
      const before = await stateOf(transaction, server);
      if (!before.proven && !isUnderWay(before)) await this.backupNow.startIn(transaction, plan, 'platform');
      return stateOf(transaction, server);
    });
  }

  async state(organization: string): Promise<PlatformProtection> {
    return this.database.inOrganization(wholeOrganization(organization), async (transaction) =>
      stateOf(transaction, await platformServer(transaction)),
    );
  }

  private async ensureServer(
    transaction: Transaction,
    principal: Principal,
    organization: string,
    connection: PostgresqlConnection,
  ): Promise<ServerRow> {
    const { password, ...address } = connection;
    const existing = await platformServer(transaction);
    if (existing) {
      if (isDeepStrictEqual(this.secrets.connectionOf(existing), { ...existing.address, ...connection })) return existing;
      const [moved] = await transaction.query<ServerRow>(
        `UPDATE servers SET address = $2, sealed_password = $3, password_set_at = $4 WHERE id = $1 RETURNING *`,
        [existing.id, JSON.stringify(address), this.secrets.sealPassword(organization, existing.id, password), this.clock.now()],
      );
      return moved!;
    }
    const id = newId('server');
    const [{ taken }] = (await transaction.query<{ taken: boolean }>(
      `SELECT EXISTS (SELECT 1 FROM servers WHERE lower(name) = lower($1) AND deleted_at IS NULL) AS taken`,
      [SERVER_NAME],
    )) as [{ taken: boolean }];
    const [server] = await transaction.query<ServerRow>(
      `INSERT INTO servers (id, organization_id, name, engine, address, sealed_password, password_set_at, pool, platform) VALUES ($1, $2, $3, 'postgresql', $4, $5, $6, $7, true) RETURNING *`,
      [
        id,
        organization,
        taken ? `${SERVER_NAME} (${id})` : SERVER_NAME,
        JSON.stringify(address),
        this.secrets.sealPassword(organization, id, password),
        this.clock.now(),
        POOL,
      ],
    );
    await recordAct(this.outbox, transaction, principal, {
      action: 'server.created',
      target: { kind: 'server', id, name: server!.name },
      details: { address, platform: true },
    });
    return server!;
  }

  private async ensurePlan(transaction: Transaction, principal: Principal, server: ServerRow, repository: string): Promise<PlanRow> {
    const [existing] = await transaction.query<PlanRow>(
      `SELECT * FROM plans WHERE $1 = ANY (server_ids) AND repository_id = $2 AND deleted_at IS NULL ORDER BY id LIMIT 1`,
      [server.id, repository],
    );
    if (existing) return existing;
    const [{ taken }] = (await transaction.query<{ taken: boolean }>(
      `SELECT EXISTS (SELECT 1 FROM plans WHERE lower(name) = lower($1) AND deleted_at IS NULL) AS taken`,
      [PLAN_NAME],
    )) as [{ taken: boolean }];
    const { row: plan } = await insertPlan(
      transaction,
      server.organization_id,
      {
        name: taken ? `${PLAN_NAME} (${repository})` : PLAN_NAME,
        servers: { servers: [server.id], groups: [], tags: [] },
        method: 'postgresql.physical',
        databases: 'all',
        repository,
        schedules: [{ type: 'full', cron: CRON, timeZone: 'UTC' }],
        catchUp: 'run_once',
        jitterMinutes: 0,
        blackouts: [],
        blackoutPolicy: { due: 'move', running: 'finish' },
        priority: 50,
        tags: [],
        hooks: [],
        retention: RetentionInput.parse({}),
        verify: ['BASIC', 'FULL'],
        verifyEvery: {},
        verifySchedules: [],
        assertions: [],
        deep: false,
        continuousLog: null,
        source: { from: 'primary', lagSeconds: 60 },
        sourceLimits: SourceLimitsInput.parse({}),
        maxAttempts: 3,
        deadlineMinutes: 720,
        noProgressMinutes: 15,
      },
      this.clock.now(),
    );
    await recordAct(this.outbox, transaction, principal, {
      action: 'plan.created',
      target: { kind: 'plan', id: plan.id, name: plan.name },
      details: { platform: true, repository },
    });
    return plan;
  }
}

async function platformServer(transaction: Transaction): Promise<ServerRow | undefined> {
  const [server] = await transaction.query<ServerRow>(`SELECT * FROM servers WHERE platform AND deleted_at IS NULL`);
  return server;
}

async function stateOf(transaction: Transaction, server: ServerRow | undefined): Promise<PlatformProtection> {
  if (!server) return { protected: false, server: null, plan: null, proven: false, provenAt: null, run: null, state: null, backup: null };
  const [plan] = await transaction.query<PlanRow>(
    `SELECT * FROM plans WHERE $1 = ANY (server_ids) AND deleted_at IS NULL ORDER BY id DESC LIMIT 1`,
    [server.id],
  );
  const [run] = await transaction.query<RunRow>(
    `SELECT * FROM runs WHERE server_id = $1 AND state <> 'expected' ORDER BY created_at DESC, id DESC LIMIT 1`,
    [server.id],
  );
  const backups = await transaction.query<NamedBackupRow>(
    `${NAMED_BACKUPS} WHERE backups.server_id = $1 AND backups.removal_requested_at IS NULL AND backups.missing_since IS NULL AND backups.state = 'succeeded' AND backups.proof <> 'damaged' ORDER BY backups.id DESC`,
    [server.id],
  );
  const proven = backups.find((backup) => backup.proof === 'FULL');
  return {
    protected: plan !== undefined,
    server: server.id,
    plan: plan?.id ?? null,
    proven: proven !== undefined,
    provenAt: proven?.proven_at?.toISOString() ?? null,
    run: run ? presentRun(run) : null,
    state: run?.state ?? null,
    backup: backups[0] ? presentBackup(backups[0]) : null,
  };
}

/** A backup whose verification has not begun yet is under way too: its reaction is on the queue. */
function isUnderWay({ run }: PlatformProtection): boolean {
  if (!run) return false;
  if (['due', 'queued', 'running'].includes(run.state)) return true;
  return run.state === 'succeeded' && !(run.type === 'verification' && run.level === 'FULL');
}
