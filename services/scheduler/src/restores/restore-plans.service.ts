import { isDeepStrictEqual } from 'node:util';
import {
  RahatError,
  type CreateRestorePlan,
  type PostgresqlAddress,
  type Principal,
  type RestorePlan,
  type RestoreSpec,
  type RestoreTarget,
  type Run,
  type RunRestore,
  type RunSecrets,
} from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { TenantDatabase, Transaction } from '@rahat/persistence';
import { recordAct } from '@rahat/service-kit';
import { findBackup, lockForReading, type NamedBackupRow } from '../backups/backups.table.js';
import type { Clock } from '../clock/clock.js';
import { type DatabaseRow, databasesOf } from '../databases/databases.table.js';
import { mistaken } from '../input/mistake.js';
import type { Repositories } from '../runs/repositories.js';
import type { RunLedger } from '../runs/run-ledger.js';
import type { RestoreRequest } from '../runs/run-specs.js';
import { presentRun } from '../runs/runs.table.js';
import type { ServerSecrets } from '../servers/server-secrets.js';
import { findServer, type ServerRow } from '../servers/servers.table.js';
import type { WorkerQuestions } from '../servers/worker-questions.js';
import { expectedDatabase } from './expected-database.js';
import { outlineHead } from './outline-question.js';
import { chooseRecovery } from './recovery-choice.js';
import { targetOf } from './restore-target.js';
import {
  findRestorePlan,
  insertRestorePlan,
  presentRestorePlan,
  recordPlanRun,
  type Outline,
  type RestorePlanRow,
} from './restore-plans.table.js';

const VALID_MS = 60 * 60_000;
const DEADLINE_MINUTES = 24 * 60;

/** A restore is only run from a plan that was looked at, and only while that plan is still true. */
export class RestorePlansService {
  constructor(
    private readonly database: TenantDatabase,
    private readonly outbox: Outbox,
    private readonly ledger: RunLedger,
    private readonly secrets: ServerSecrets,
    private readonly questions: WorkerQuestions,
    private readonly repositories: Repositories,
    private readonly clock: Clock,
  ) {}

  async create(principal: Principal, request: CreateRestorePlan): Promise<RestorePlan> {
    const { backup, server, recovery, seen } = await this.database.inOrganization(principal, async (transaction) => {
      if (request.backup === undefined && !request.recovery)
        throw mistaken({ pointer: '/backup', message: 'say which backup is restored' });
      if (request.timeline !== undefined && !request.recovery)
        throw mistaken({ pointer: '/timeline', message: 'is of a recovery, and none is asked for' });
      const chosen = request.recovery && (await chooseRecovery(transaction, request, request.recovery));
      const row = await lockForReading(transaction, chosen?.backup ?? request.backup!);
      const server = await findServer(transaction, request.server ?? row.server_id);
      return { backup: row, recovery: chosen?.recovery, server, seen: await databasesOf(transaction, row.server_id) };
    });
    const target = targetOf(request, backup, this.clock.now());
    refuseFolderOfLimited(principal, target);
    const fixed: RestoreRequest = {
      target,
      ...(request.fromDatabase === undefined ? {} : { fromDatabase: request.fromDatabase }),
      ...(request.tables ? { tables: request.tables } : {}),
      ...(recovery ? { recovery: { stream: recovery.stream, target: recovery.target, timeline: recovery.timeline } } : {}),
      intoExisting: request.intoExisting,
      ...(request.merge ? { merge: request.merge } : {}),
      noOwner: request.noOwner,
      noAcl: request.noAcl,
    };
    const outline = {
      ...withOwnFindings(await this.outline(backup, server, fixed), fixed, backup, seen),
      ...(recovery ? { recovery } : {}),
    };
    return this.database.inOrganization(principal, async (transaction) => {
      const now = this.clock.now();
      const row = await insertRestorePlan(transaction, principal.organization, {
        backup_id: backup.id,
        server_id: server.id,
        request: fixed,
        outline: { ...outline, address: server.address },
        created_at: now,
        expires_at: new Date(now.getTime() + VALID_MS),
      });
      await recordAct(this.outbox, transaction, principal, {
        action: 'restore.planned',
        target: { kind: 'restore_plan', id: row.id },
        // The worker looked at both: the password of the server and the keys of the repository were opened for it.
        details: {
          backup: backup.id,
          server: server.id,
          repository: backup.repository_id,
          target,
          ...(recovery ? { recovery } : {}),
          ...partInTrail(fixed),
        },
      });
      return presentRestorePlan(row);
    });
  }

  async get(principal: Principal, id: string): Promise<RestorePlan> {
    return presentRestorePlan(await this.database.inOrganization(principal, (transaction) => findRestorePlan(transaction, id)));
  }

  async run(principal: Principal, request: RunRestore): Promise<Run> {
    const { plan, backup, server, seen } = await this.database.inOrganization(principal, async (transaction) => {
      const row = await findRestorePlan(transaction, request.plan);
      this.assertFresh(row, request.hash);
      const backup = await findBackup(transaction, row.backup_id);
      const server = await this.unchangedServer(transaction, row);
      return { plan: row, backup, server, seen: await databasesOf(transaction, backup.server_id) };
    });
    refuseFolderOfLimited(principal, plan.request.target);
    assertConfirmed(plan, request.confirm);
    assertUnblocked(plan.outline);
    // What lies at the target may have changed since: the worker looks again.
    assertSame(plan.outline, withOwnFindings(await this.outline(backup, server, plan.request), plan.request, backup, seen));
    return this.database.inOrganization(principal, async (transaction) => {
      await transaction.query(`SELECT 1 FROM restore_plans WHERE id = $1 FOR UPDATE`, [plan.id]);
      this.assertFresh(await findRestorePlan(transaction, plan.id), request.hash);
      await lockForReading(transaction, backup.id);
      // Log that it needs may have been lost since.
      if (plan.outline.recovery) await assertStillReached(transaction, plan);
      const run = await this.ledger.createDue(transaction, {
        organization_id: principal.organization,
        type: 'restore',
        cause: 'person',
        plan_id: null,
        server_id: server.id,
        database_id: null,
        database_name: nameOf(plan.request.target),
        backup_id: backup.id,
        restore_plan_id: plan.id,
        snapshot: backup.snapshot,
        repository_id: backup.repository_id,
        method: backup.method,
        // A restore that failed half-way is looked at by a person before it is tried again.
        max_attempts: 1,
        deadline_minutes: DEADLINE_MINUTES,
        due_at: this.clock.now(),
      });
      await recordPlanRun(transaction, plan.id, run.id);
      await recordAct(this.outbox, transaction, principal, {
        action: 'restore.started',
        target: { kind: 'run', id: run.id },
        details: {
          restorePlan: plan.id,
          backup: backup.id,
          server: server.id,
          target: plan.request.target,
          ...(plan.request.recovery ? { recovery: plan.request.recovery } : {}),
          ...partInTrail(plan.request),
        },
      });
      return presentRun(run);
    });
  }

  private assertFresh(plan: RestorePlanRow, hash: string): void {
    if (plan.hash !== hash) throw new RahatError('restore_plan_stale', 'The hash is not the one of this restore plan');
    if (plan.run_id) throw new RahatError('restore_plan_stale', `This restore plan was run already, as ${plan.run_id}`);
    if (plan.expires_at <= this.clock.now() || plan.created_at > new Date(this.clock.now().getTime() + VALID_MS))
      throw new RahatError('restore_plan_stale', `This restore plan expired at ${plan.expires_at.toISOString()}`);
  }

  private async unchangedServer(transaction: Transaction, plan: RestorePlanRow): Promise<ServerRow> {
    const server = await findServer(transaction, plan.server_id);
    if (!isDeepStrictEqual(whereOf(server.address), whereOf(plan.outline.address)))
      throw new RahatError('restore_plan_stale', `The address of the server '${server.name}' changed since this restore plan was made`);
    return server;
  }

  private async outline(backup: NamedBackupRow, server: ServerRow, request: RestoreRequest): Promise<Outline> {
    const secrets: RunSecrets = {
      ...(request.target.kind === 'database' ? { target: this.secrets.connectionOf(server) } : {}),
      repositories: [await this.repositories.grant(backup.organization_id, backup.repository_id, 'read')],
    };
    const spec: RestoreSpec = {
      ...(await outlineHead(this.secrets, { organization: backup.organization_id, server, secrets }, this.clock.now())),
      type: 'restore',
      snapshot: backup.snapshot,
      repository: backup.repository_id,
      ...request,
    };
    return this.questions.outline(server.pool, spec);
  }
}

async function assertStillReached(transaction: Transaction, { backup_id, outline: { recovery } }: RestorePlanRow): Promise<void> {
  const now = await chooseRecovery(transaction, { backup: backup_id, timeline: recovery!.timeline }, recovery!.target);
  if (now.recovery.stream !== recovery!.stream)
    throw new RahatError('restore_plan_stale', 'The log that the recovery needs is no longer what it was when this restore plan was made');
}

/** Conditions may hold values of rows, which have no place in the trail. */
function partInTrail({ fromDatabase, merge }: RestoreRequest): { fromDatabase?: string; merge?: object } {
  const of = fromDatabase === undefined ? {} : { fromDatabase };
  if (!merge) return of;
  const { rows, ...rest } = merge;
  return { ...of, merge: { ...rest, ...(rows && { rowsOf: rows.map(({ schema, table }) => `${schema}.${table}`) }) } };
}

/** A folder of a worker lies in no server group. */
function refuseFolderOfLimited({ serverGroups }: Principal, target: RestoreTarget): void {
  if (serverGroups !== null && target.kind === 'folder')
    throw new RahatError(
      'forbidden',
      'Folders of the workers belong to the whole organization, and your role is limited to server groups.',
      {
        hint: 'Restore to a database, or ask somebody whose role is not limited.',
      },
    );
}

/** `seen`: the databases of the server that the backup is of. */
function withOwnFindings(outline: Outline, request: RestoreRequest, backup: NamedBackupRow, seen: readonly DatabaseRow[]): Outline {
  const own = expectedDatabase(request.fromDatabase, seen, backup);
  if (backup.proof === 'damaged')
    own.push({
      code: 'backup_damaged',
      severity: 'warning',
      message: 'A verification found this backup damaged: the restore may fail or lack objects',
    });
  if (backup.state === 'partial')
    own.push({ code: 'backup_partial', severity: 'warning', message: 'This backup is partial: what its findings name is not in it' });
  return { ...outline, findings: [...outline.findings, ...own] };
}

/** Whatever exists and would be replaced needs its name typed. */
function assertConfirmed(plan: RestorePlanRow, confirm: string | undefined): void {
  const { target } = plan.request;
  const replaces =
    plan.outline.overwrites.length > 0 ||
    plan.request.intoExisting ||
    plan.request.merge !== undefined ||
    (target.kind === 'database' && target.replace);
  if (replaces && confirm !== nameOf(target))
    throw mistaken({
      pointer: '/confirm',
      message: `this restore replaces what is there; confirm it with the name of the target: ${nameOf(target)}`,
    });
}

export function assertUnblocked(outline: Outline): void {
  const blockers = outline.findings.filter((finding) => finding.severity === 'blocker');
  if (blockers.length > 0)
    throw new RahatError('preflight_blocked', `The restore cannot work: ${blockers.map((blocker) => blocker.message).join('; ')}`, {
      hint: blockers[0]!.fix,
    });
}

function assertSame(planned: Outline, current: Outline): void {
  const essence = (outline: Outline) =>
    JSON.stringify([
      [...outline.overwrites].sort(),
      outline.findings.map((finding) => [finding.code, finding.severity, finding.object ?? '']).sort(),
    ]);
  if (essence(planned) !== essence(current))
    throw new RahatError('restore_plan_stale', 'What the restore would replace or find has changed since this plan was made');
}

/** What a login is told to; behind an SSH host the same address may be another server. */
function whereOf({ host, port, user, ssh }: PostgresqlAddress) {
  return { host, port, user, ssh };
}

function nameOf(target: RestoreTarget): string {
  return target.kind === 'database' ? target.name : target.path;
}
