import { RahatError, type Principal, type Run } from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { ServiceDatabase, Transaction } from '@rahat/persistence';
import type { Clock } from '../clock/clock.js';
import { coveredBy, databasesOf } from '../databases/databases.table.js';
import type { DiscoveryService } from '../databases/discovery.service.js';
import { coversWholeServer, findPlan, type PlanRow } from '../plans/plans.table.js';
import { findServer } from '../servers/servers.table.js';
import { recordAct } from '../trail/trail.js';
import type { RunLedger } from './run-ledger.js';
import { presentRun, type RunCause, type RunRow } from './runs.table.js';

export interface CoveredDatabase {
  id: string | null;
  name: string | null;
}

/** Starts a plan's runs without waiting for its schedule. */
export class BackupNow {
  constructor(
    private readonly database: ServiceDatabase,
    private readonly outbox: Outbox,
    private readonly ledger: RunLedger,
    private readonly discovery: DiscoveryService,
    private readonly clock: Clock,
  ) {}

  async start(principal: Principal, planId: string): Promise<Run[]> {
    const plan = await this.database.inOrganization(principal.organization, (transaction) => findPlan(transaction, planId));
    if (plan.databases === 'all' && !coversWholeServer(plan)) await this.lookForNewDatabases(plan);
    return this.database.inOrganization(principal.organization, async (transaction) => {
      const runs = await this.startIn(transaction, plan, 'person');
      if (runs.length === 0)
        throw new RahatError('conflict', `The plan '${plan.name}' covers no database now`, {
          hint: 'Look for databases on the server, or include one.',
        });
      await recordAct(this.outbox, transaction, principal, {
        action: 'plan.run_started',
        target: { kind: 'plan', id: plan.id, name: plan.name },
        details: { runs: runs.map((run) => run.id) },
      });
      return runs.map(presentRun);
    });
  }

  /** One run per database; one that is waiting or running already is the answer for its database. */
  async startIn(transaction: Transaction, plan: PlanRow, cause: RunCause): Promise<RunRow[]> {
    await transaction.query(`SELECT 1 FROM plans WHERE id = $1 FOR UPDATE`, [plan.id]);
    const runs: RunRow[] = [];
    for (const covered of await coverageOf(transaction, plan)) {
      runs.push(
        (await activeRunOf(transaction, plan.id, covered.id)) ??
          (await this.ledger.createDue(transaction, newBackupRun(plan, covered, cause, this.clock.now()))),
      );
    }
    return runs;
  }

  private async lookForNewDatabases(plan: PlanRow): Promise<void> {
    try {
      await this.discovery.discover(plan.organization_id, plan.server_id);
    } catch (error) {
      // A server out of reach is told by its runs, which are started all the same for what is known.
      const known = await this.database.inOrganization(plan.organization_id, async (transaction) => {
        await findServer(transaction, plan.server_id);
        return coverageOf(transaction, plan);
      });
      if (known.length === 0) throw error;
    }
  }
}

export async function coverageOf(transaction: Transaction, plan: PlanRow): Promise<CoveredDatabase[]> {
  if (coversWholeServer(plan)) return [{ id: null, name: null }];
  return coveredBy(plan, await databasesOf(transaction, plan.server_id));
}

export async function activeRunOf(transaction: Transaction, planId: string, databaseId: string | null): Promise<RunRow | undefined> {
  const [row] = await transaction.query<RunRow>(
    `SELECT * FROM runs WHERE plan_id = $1 AND database_id IS NOT DISTINCT FROM $2 AND type = 'backup' AND state IN ('due', 'queued', 'running') ORDER BY due_at LIMIT 1`,
    [planId, databaseId],
  );
  return row;
}

export function newBackupRun(plan: PlanRow, covered: CoveredDatabase, cause: RunCause, dueAt: Date) {
  return {
    organization_id: plan.organization_id,
    type: 'backup' as const,
    cause,
    plan_id: plan.id,
    server_id: plan.server_id,
    database_id: covered.id,
    database_name: covered.name,
    method: plan.method,
    repository_id: plan.repository_id,
    max_attempts: plan.max_attempts,
    deadline_minutes: plan.deadline_minutes,
    deep: plan.deep,
    due_at: dueAt,
  };
}
