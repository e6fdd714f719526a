import {
  RahatError,
  type CreateRestorePlan,
  type HookInput,
  type RepositoryPower,
  type RestoreTarget,
  type RunSecrets,
  type RunSpec,
  type TableName,
} from '@rahat/contracts';
import type { ServiceDatabase, Transaction } from '@rahat/persistence';
import type { Clock } from '../clock/clock.js';
import { openedHook } from '../plans/plan-hooks.js';
import type { PlanRow } from '../plans/plans.table.js';
import type { ServerSecrets } from '../servers/server-secrets.js';
import type { ServerRow } from '../servers/servers.table.js';
import { rememberPlace, type Repositories } from './repositories.js';
import type { RunRow } from './runs.table.js';

/** What a restore plan fixed; the run restores exactly this. */
export type RestoreRequest = Required<Pick<CreateRestorePlan, 'intoExisting' | 'noOwner' | 'noAcl'>> & {
  target: RestoreTarget;
  tables?: TableName[];
};

type RunPlan = Pick<PlanRow, 'id' | 'organization_id' | 'no_progress_minutes' | 'hooks'>;

/** Of runs without a plan. */
export const NO_PROGRESS_MINUTES = 15;

/** Makes the spec of a run's current attempt, its secrets sealed for the pool and bound to run and attempt. */
export class RunSpecs {
  constructor(
    private readonly database: ServiceDatabase,
    private readonly secrets: ServerSecrets,
    private readonly repositories: Repositories,
    private readonly clock: Clock,
  ) {}

  async forAttempt(run: RunRow): Promise<{ pool: string; spec: RunSpec }> {
    const { server, restore, plan, sourceBytes } = await this.database.inOrganization(run.organization_id, async (transaction) => {
      const [row] = await transaction.query<ServerRow>(`SELECT * FROM servers WHERE id = $1`, [run.server_id]);
      const [restorePlan] = run.restore_plan_id
        ? await transaction.query<{ request: RestoreRequest }>(`SELECT request FROM restore_plans WHERE id = $1`, [run.restore_plan_id])
        : [];
      return {
        server: row!,
        restore: restorePlan?.request,
        plan: await planOf(transaction, run),
        sourceBytes: await sourceBytesOf(transaction, run),
      };
    });
    if (server.deleted_at && run.type !== 'verification') throw new RahatError('not_found', `The server '${server.name}' was deleted`);
    const head = await this.head(run, server, plan);
    switch (run.type) {
      case 'backup':
        return {
          pool: server.pool,
          spec: {
            ...head,
            type: 'backup',
            method: run.method,
            backupType: run.backup_type!,
            snapshot: run.snapshot!,
            repository: run.repository_id,
            deep: run.deep,
            sourceBytes,
            ...(run.database_name === null ? {} : { database: { id: run.database_id ?? undefined, name: run.database_name } }),
          },
        };
      case 'verification':
        return {
          pool: server.pool,
          spec: {
            ...head,
            type: 'verification',
            level: run.level!,
            snapshot: run.snapshot!,
            repository: run.repository_id,
            assertions: run.assertions,
          },
        };
      case 'restore':
        return {
          pool: server.pool,
          spec: { ...head, type: 'restore', snapshot: run.snapshot!, repository: run.repository_id, ...restore! },
        };
    }
  }

  private async head(run: RunRow, server: ServerRow, plan: RunPlan | undefined) {
    const binding = `${run.id}/${run.attempt}`;
    return {
      version: 1 as const,
      run: run.id,
      attempt: run.attempt,
      organization: run.organization_id,
      engine: server.engine,
      server: { id: server.id, name: server.name },
      deadline: new Date(this.clock.now().getTime() + run.deadline_minutes * 60_000).toISOString(),
      noProgressSeconds: (plan?.no_progress_minutes ?? NO_PROGRESS_MINUTES) * 60,
      sealedSecrets: await this.secrets.sealForPool(server.pool, await this.secretsOf(run, server, plan), binding),
    };
  }

  /** Each type of run gets what it needs and nothing else: a backup can't read what others stored, a verification never sees the source's password. */
  private async secretsOf(run: RunRow, server: ServerRow, plan: RunPlan | undefined): Promise<RunSecrets> {
    const { storageId, ...access } = await this.repositories.grant(run.organization_id, run.repository_id, powerFor(run));
    await this.database.inOrganization(run.organization_id, (transaction) => rememberPlace(transaction, run.repository_id, storageId));
    const repositories = [access];
    switch (run.type) {
      case 'backup':
        return { source: this.secrets.connectionOf(server), repositories, hooks: this.hooksOf(plan) };
      case 'verification':
        return { repositories };
      case 'restore':
        return { target: this.secrets.connectionOf(server), repositories };
    }
  }

  private hooksOf(plan: RunPlan | undefined): HookInput[] | undefined {
    return plan?.hooks.map((hook) => openedHook(hook, (sealed) => this.secrets.openAuthorization(plan, sealed)));
  }
}

async function planOf(transaction: Transaction, run: RunRow): Promise<RunPlan | undefined> {
  const [plan] = await transaction.query<RunPlan>(`SELECT id, organization_id, no_progress_minutes, hooks FROM plans WHERE id = $1`, [
    run.plan_id,
  ]);
  return plan;
}

/** As discovery saw it last; undefined where it hasn't yet. */
async function sourceBytesOf(transaction: Transaction, run: RunRow): Promise<number | undefined> {
  const [row] = await transaction.query<{ bytes: string | null }>(
    `SELECT sum(size_bytes) AS bytes FROM databases WHERE server_id = $1 AND ($2::text IS NULL OR id = $2) AND missing_since IS NULL`,
    [run.server_id, run.database_id],
  );
  return row?.bytes ? Number(row.bytes) : undefined;
}

/** BASIC reads packs as bytes and opens metadata only. */
function powerFor({ type, level }: RunRow): RepositoryPower {
  return type === 'backup' || (type === 'verification' && level === 'BASIC') ? 'write-only' : 'read';
}
