import { assertTypeSupported, RahatError, type BackupType, type Principal, type Run } from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import { wholeOrganization, type TenantDatabase, type Transaction } from '@rahat/persistence';
import { recordAct } from '@rahat/service-kit';
import type { Clock } from '../clock/clock.js';
import type { DiscoveryService } from '../databases/discovery.service.js';
import { serversOf } from '../plans/plan-servers.js';
import { coversWholeServer, findPlan, type PlanRow } from '../plans/plans.table.js';
import { coverageOf } from './coverage.js';
import { priorityOf } from './priorities.js';
import type { RunLedger } from './run-ledger.js';
import { presentRun, type NewRun, type RunCause, type RunRow } from './runs.table.js';

/** Starts a plan's runs without waiting for its schedule. */
export class BackupNow {
  constructor(
    private readonly database: TenantDatabase,
    private readonly outbox: Outbox,
    private readonly ledger: RunLedger,
    private readonly discovery: DiscoveryService,
    private readonly clock: Clock,
  ) {}

  async start(principal: Principal, planId: string, type: BackupType = 'full'): Promise<Run[]> {
    const plan = await this.database.inOrganization(principal, (transaction) => findPlan(transaction, planId));
    assertTypeSupported(plan.method, type);
    if (!Array.isArray(plan.databases) && !coversWholeServer(plan)) await this.lookForNewDatabases(plan);
    return this.database.inOrganization(principal, async (transaction) => {
      const runs = await this.startIn(transaction, plan, 'person', type);
      if (runs.length === 0)
        throw new RahatError('conflict', `The plan '${plan.name}' covers no database now`, {
          hint: 'Look for databases on the server, or include one.',
        });
      await recordAct(this.outbox, transaction, principal, {
        action: 'plan.run_started',
        target: { kind: 'plan', id: plan.id, name: plan.name },
        details: { type, runs: runs.map((run) => run.id) },
      });
      return runs.map(presentRun);
    });
  }

  /** One run per database; one that is waiting or running already is the answer for its database. */
  async startIn(transaction: Transaction, plan: PlanRow, cause: RunCause, type: BackupType = 'full'): Promise<RunRow[]> {
    await transaction.query(`SELECT 1 FROM plans WHERE id = $1 FOR UPDATE`, [plan.id]);
    const runs: RunRow[] = [];
    for (const { server, database } of await coverageOf(transaction, plan)) {
      const active = await activeRunOf(transaction, { plan: plan.id, server: server.id, database: database?.id ?? null, type });
      const made = () => newBackupRun(plan, { server: server.id, database }, { cause, type, dueAt: this.clock.now() });
      runs.push(active ?? (await this.ledger.createDue(transaction, made())));
    }
    return runs;
  }

  /** Whoever may start a plan reaches all of its servers. */
  private async lookForNewDatabases(plan: PlanRow): Promise<void> {
    const servers = await this.database.inOrganization(wholeOrganization(plan.organization_id), (transaction) =>
      serversOf(transaction, plan),
    );
    const looks = await Promise.allSettled(servers.map((server) => this.discovery.discoverOn(server)));
    const failed = looks.find((look) => look.status === 'rejected');
    if (!failed) return;
    // A server out of reach is told by its runs, which are started all the same for what is known.
    const known = await this.database.inOrganization(wholeOrganization(plan.organization_id), (transaction) =>
      coverageOf(transaction, plan),
    );
    if (known.length === 0) throw failed.reason;
  }
}

/** Log backups are a line of their own: they go on while a full backup runs. */
export function laneOf(type: BackupType): 'data' | 'log' {
  return type === 'log' ? 'log' : 'data';
}

export async function activeRunOf(
  transaction: Transaction,
  line: { plan: string; server: string; database: string | null; type: BackupType },
): Promise<RunRow | undefined> {
  const [row] = await transaction.query<RunRow>(
    `SELECT * FROM runs WHERE plan_id = $1 AND server_id = $2 AND database_id IS NOT DISTINCT FROM $3 AND type = 'backup' AND (backup_type = 'log') = $4
       AND state IN ('due', 'queued', 'running') ORDER BY due_at LIMIT 1`,
    [line.plan, line.server, line.database, laneOf(line.type) === 'log'],
  );
  return row;
}

export function newBackupRun(
  plan: Pick<PlanRow, 'id' | 'organization_id' | 'method' | 'repository_id' | 'max_attempts' | 'deadline_minutes' | 'deep' | 'priority'>,
  covered: { server: string; database: { id: string; name: string } | null },
  { cause, type, dueAt }: { cause: RunCause; type: BackupType; dueAt: Date },
): NewRun {
  return {
    organization_id: plan.organization_id,
    type: 'backup',
    cause,
    backup_type: type,
    plan_id: plan.id,
    server_id: covered.server,
    database_id: covered.database?.id ?? null,
    database_name: covered.database?.name ?? null,
    method: plan.method,
    repository_id: plan.repository_id,
    max_attempts: plan.max_attempts,
    deadline_minutes: plan.deadline_minutes,
    deep: plan.deep,
    due_at: dueAt,
    priority: priorityOf({ type: 'backup', backup_type: type, cause }, plan.priority),
  };
}
