import {
  RahatError,
  type BackupSpec,
  type CreateRestorePlan,
  type Recovery,
  type HookInput,
  type Merge,
  type RepositoryAccess,
  type RepositoryPower,
  type RestoreSpec,
  type RestoreTarget,
  type RunSecrets,
  type RunSpec,
  type RunType,
  type SafetyCopyOrder,
  type SafetyCopySpec,
  type TableName,
} from '@rahat/contracts';
import type { ServiceDatabase, Transaction } from '@rahat/persistence';
import type { Clock } from '../clock/clock.js';
import { findCollectionPolicy } from '../collections/collection-policies.table.js';
import { followOrderOf } from '../log-streams/follow-order.js';
import { drawnRecovery } from '../recovery/drawn-recovery.js';
import { requestOfRun } from '../restores/restore-plans.table.js';
import { openedHook } from '../plans/plan-hooks.js';
import type { PlanRow } from '../plans/plans.table.js';
import type { ServerSecrets } from '../servers/server-secrets.js';
import type { ServerRow } from '../servers/servers.table.js';
import { parentOfAttempt } from './parent-of-attempt.js';
import { rememberPlace, type Repositories } from './repositories.js';
import { usesServer, type RunRow } from './runs.table.js';

/** What a restore plan fixed; the run restores exactly this. */
export type RestoreRequest = Required<Pick<CreateRestorePlan, 'intoExisting' | 'noOwner' | 'noAcl'>> & {
  target: RestoreTarget;
  fromDatabase?: string;
  tables?: TableName[];
  recovery?: Recovery;
  merge?: Merge;
  /** No restore, but the end of what an earlier one kept. */
  safetyCopy?: SafetyCopyOrder;
};

type ServerRunType = Exclude<RunType, 'collection' | 'rebuild'>;
type RunPlan = Pick<PlanRow, 'id' | 'name' | 'organization_id' | 'no_progress_minutes' | 'hooks' | 'source' | 'source_limits'>;

/** Of runs without a plan. */
export const NO_PROGRESS_MINUTES = 15;
/** Until when an undo is promised is counted by our clock, and the time in the trash by the storage's: it keeps its promise for longer. */
const UNDO_MARGIN_SECONDS = 3_600;

/** Makes the spec of a run's current attempt, its secrets sealed for the pool and bound to run and attempt. */
export class RunSpecs {
  constructor(
    private readonly database: ServiceDatabase,
    private readonly secrets: ServerSecrets,
    private readonly repositories: Repositories,
    private readonly clock: Clock,
  ) {}

  async forAttempt(run: RunRow): Promise<{ pool: string; spec: RunSpec }> {
    if (run.type === 'collection') return this.forCollection(run);
    if (run.type === 'rebuild') return this.forRebuild(run);
    const { server, restore, plan, sourceBytes, order, recovery, upon } = await this.database.inOrganization(
      run.organization_id,
      async (transaction) => {
        const [row] = await transaction.query<ServerRow>(`SELECT * FROM servers WHERE id = $1`, [run.server_id]);
        return {
          server: row!,
          restore: await requestOfRun(transaction, run),
          plan: await planOf(transaction, run),
          sourceBytes: await sourceBytesOf(transaction, run),
          order: run.type === 'follow' ? await followOrderOf(transaction, run.stream_id!) : undefined,
          recovery: await drawnRecovery(transaction, run),
          upon: await parentOfAttempt(transaction, run, row!.identity),
        };
      },
    );
    // What an earlier restore left there goes all the same.
    if (server.deleted_at && usesServer(run) && !restore?.safetyCopy)
      throw new RahatError('not_found', `The server '${server.name}' was deleted`);
    const secrets = restore?.safetyCopy
      ? { target: this.secrets.connectionOf(server), repositories: [] }
      : await this.secretsOf({ ...run, type: run.type }, server, plan);
    const head = {
      ...(await this.head(run, server.pool, secrets, plan?.no_progress_minutes)),
      engine: server.engine,
      server: { id: server.id, name: server.name },
    };
    switch (run.type) {
      case 'follow': {
        const { deadline: _none, ...endless } = head;
        return { pool: server.pool, spec: { ...endless, type: 'follow', ...order! } };
      }
      case 'backup':
        return {
          pool: server.pool,
          spec: {
            ...head,
            type: 'backup',
            method: run.method!,
            backupType: run.backup_type!,
            ...upon,
            snapshot: run.snapshot!,
            repository: run.repository_id,
            deep: run.deep,
            sourceBytes,
            ...sourceOf(plan, server),
            ...(plan ? { plan: { id: plan.id, name: plan.name } } : {}),
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
            ...(recovery ? { recovery } : {}),
          },
        };
      case 'restore':
        return { pool: server.pool, spec: restoreSpec(head, run, restore!) };
      case 'comparison':
        return {
          pool: server.pool,
          spec: { ...head, type: 'comparison', snapshot: run.snapshot!, repository: run.repository_id, ...run.compared_with! },
        };
    }
  }

  private async forCollection(run: RunRow): Promise<{ pool: string; spec: RunSpec }> {
    const policy = await this.database.inOrganization(run.organization_id, (transaction) =>
      findCollectionPolicy(transaction, run.repository_id),
    );
    const secrets = { repositories: [await this.accessFor(run, policy.rewrite ? 'read' : 'write-only')] };
    return {
      pool: policy.pool,
      spec: {
        ...(await this.head(run, policy.pool, secrets)),
        type: 'collection',
        repository: run.repository_id,
        undoPeriodSeconds: policy.undo_days * 86_400 + UNDO_MARGIN_SECONDS,
      },
    };
  }

  /** By the workers that collect the repository, which are near it; any where none of them does. */
  private async forRebuild(run: RunRow): Promise<{ pool: string; spec: RunSpec }> {
    const [policy] = await this.database.inOrganization(run.organization_id, (transaction) =>
      transaction.query<{ pool: string }>(`SELECT pool FROM collection_policies WHERE repository_id = $1`, [run.repository_id]),
    );
    const pool = policy?.pool ?? 'default';
    const secrets = { repositories: [await this.accessFor(run)] };
    return {
      pool,
      spec: { ...(await this.head(run, pool, secrets)), type: 'rebuild', repository: run.repository_id, dryRun: run.dry_run },
    };
  }

  private async head(run: RunRow, pool: string, secrets: RunSecrets, noProgressMinutes = NO_PROGRESS_MINUTES) {
    return {
      version: 1 as const,
      run: run.id,
      attempt: run.attempt,
      organization: run.organization_id,
      deadline: new Date(this.clock.now().getTime() + run.deadline_minutes * 60_000).toISOString(),
      noProgressSeconds: noProgressMinutes * 60,
      sealedSecrets: await this.secrets.sealForPool(pool, secrets, `${run.id}/${run.attempt}`),
    };
  }

  private async accessFor(run: RunRow, power = powerFor(run)): Promise<RepositoryAccess> {
    const { storageId, ...access } = await this.repositories.grant(run.organization_id, run.repository_id, power);
    await this.database.inOrganization(run.organization_id, (transaction) => rememberPlace(transaction, run.repository_id, storageId));
    return access;
  }

  /** Each type of run gets what it needs and nothing else: a backup can't read what others stored, a verification never sees the source's password. */
  private async secretsOf(run: RunRow & { type: ServerRunType }, server: ServerRow, plan: RunPlan | undefined): Promise<RunSecrets> {
    const repositories = [await this.accessFor(run)];
    switch (run.type) {
      case 'backup':
        return {
          source: this.secrets.connectionOf(server),
          ...(mayReadStandbys(plan) ? { standbys: this.secrets.standbysOf(server) } : {}),
          repositories,
          hooks: this.hooksOf(plan),
        };
      case 'verification':
        return { repositories };
      case 'follow':
        return { source: this.secrets.connectionOf(server), repositories };
      case 'restore':
        return { target: this.secrets.connectionOf(server), repositories };
      case 'comparison':
        return usesServer(run) ? { source: this.secrets.connectionOf(server), repositories } : { repositories };
    }
  }

  private hooksOf(plan: RunPlan | undefined): HookInput[] | undefined {
    return plan?.hooks.map((hook) => openedHook(hook, (sealed) => this.secrets.openAuthorization(plan, sealed)));
  }
}

function restoreSpec(
  head: Omit<RestoreSpec, 'type' | 'snapshot' | 'repository' | keyof RestoreRequest>,
  run: RunRow,
  { safetyCopy, ...restore }: RestoreRequest,
): RestoreSpec | SafetyCopySpec {
  const snapshot = run.snapshot!;
  if (safetyCopy) return { ...head, type: 'safety-copy', snapshot, database: run.database_name!, order: safetyCopy };
  return { ...head, type: 'restore', snapshot, repository: run.repository_id, ...restore };
}

async function planOf(transaction: Transaction, run: RunRow): Promise<RunPlan | undefined> {
  const [plan] = await transaction.query<RunPlan>(
    `SELECT id, name, organization_id, no_progress_minutes, hooks, source, source_limits FROM plans WHERE id = $1`,
    [run.plan_id],
  );
  return plan;
}

/** Where nothing is asked for, nothing is said: the worker needs no look at anything then. */
function sourceOf(plan: RunPlan | undefined, server: ServerRow): Pick<BackupSpec, 'source' | 'sourceLimits'> {
  if (!plan) return {};
  const bounded = Object.values(plan.source_limits).some((bound) => bound !== null);
  return {
    ...(mayReadStandbys(plan) ? { source: { ...plan.source, ...(server.identity ? { identity: server.identity } : {}) } } : {}),
    ...(bounded ? { sourceLimits: plan.source_limits } : {}),
  };
}

function mayReadStandbys(plan: RunPlan | undefined): plan is RunPlan {
  return plan !== undefined && plan.source.from !== 'primary';
}

/** As discovery saw it last; undefined where it hasn't yet. */
async function sourceBytesOf(transaction: Transaction, run: RunRow): Promise<number | undefined> {
  const [row] = await transaction.query<{ bytes: string | null }>(
    `SELECT sum(size_bytes) AS bytes FROM databases WHERE server_id = $1 AND ($2::text IS NULL OR id = $2) AND missing_since IS NULL`,
    [run.server_id, run.database_id],
  );
  return row?.bytes ? Number(row.bytes) : undefined;
}

/** BASIC reads packs as bytes and opens metadata only; a collection deletes, and a rebuild lists, without a look into data. */
function powerFor({ type, level }: RunRow): RepositoryPower {
  return type === 'backup' ||
    type === 'follow' ||
    type === 'collection' ||
    type === 'rebuild' ||
    (type === 'verification' && level === 'BASIC')
    ? 'write-only'
    : 'read';
}
