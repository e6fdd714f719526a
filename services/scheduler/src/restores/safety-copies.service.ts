import { randomUUID } from 'node:crypto';
import {
  RahatError,
  type EndSafetyCopy,
  type Principal,
  type RestoreEvidence,
  type Run,
  type SafetyCopies,
  type SafetyCopy,
  type SafetyCopyOrder,
  type SafetyCopySpec,
} from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { TenantDatabase, Transaction } from '@rahat/persistence';
import { recordAct } from '@rahat/service-kit';
import type { Clock } from '../clock/clock.js';
import type { RunLedger } from '../runs/run-ledger.js';
import type { RestoreRequest } from '../runs/run-specs.js';
import { findRun, presentRun, type RunRow } from '../runs/runs.table.js';
import type { ServerSecrets } from '../servers/server-secrets.js';
import { findServer, type ServerRow } from '../servers/servers.table.js';
import type { WorkerQuestions } from '../servers/worker-questions.js';
import { assertUnblocked } from './restore-plans.service.js';
import { insertRestorePlan, type Outline } from './restore-plans.table.js';
import { isEnding, listSafetyCopies } from './safety-copies.table.js';

const DEADLINE_MINUTES = 24 * 60;
const OUTLINE_MS = 120_000;

interface Kept {
  run: RunRow & { backup_id: string; server_id: string; snapshot: string };
  server: ServerRow;
  copy: SafetyCopy;
}

/** What restores into live databases left of what was there: listed, put back, or forgotten. */
export class SafetyCopiesService {
  constructor(
    private readonly database: TenantDatabase,
    private readonly outbox: Outbox,
    private readonly ledger: RunLedger,
    private readonly secrets: ServerSecrets,
    private readonly questions: WorkerQuestions,
    private readonly clock: Clock,
  ) {}

  async list(principal: Principal): Promise<SafetyCopies> {
    const data = await this.database.inOrganization(principal, (transaction) =>
      listSafetyCopies(transaction, principal.organization, this.clock.now()),
    );
    return { data };
  }

  /** A run of its own: looked at first, and judged by its evidence. */
  async end(principal: Principal, id: string, { action, force }: EndSafetyCopy): Promise<Run> {
    const kept = await this.database.inOrganization(principal, (transaction) => findKept(transaction, id));
    const order: SafetyCopyOrder = { of: id, schema: kept.copy.schema, action, force, lockWaitSeconds: 10 };
    const outline = await this.outline(kept, order);
    assertUnblocked(outline);
    return this.database.inOrganization(principal, async (transaction) => {
      await transaction.query(`SELECT 1 FROM runs WHERE id = $1 FOR UPDATE`, [id]);
      const { run: restore, server, copy } = await findKept(transaction, id);
      const now = this.clock.now();
      const request: RestoreRequest = {
        target: { kind: 'database', name: copy.database, replace: false },
        intoExisting: false,
        noOwner: false,
        noAcl: false,
        safetyCopy: order,
      };
      const plan = await insertRestorePlan(transaction, principal.organization, {
        backup_id: restore.backup_id,
        server_id: server.id,
        request,
        outline: { ...outline, address: server.address },
        created_at: now,
        expires_at: now,
      });
      const run = await this.ledger.createDue(transaction, {
        organization_id: principal.organization,
        type: 'restore',
        cause: 'person',
        plan_id: null,
        server_id: server.id,
        database_id: null,
        database_name: copy.database,
        backup_id: restore.backup_id,
        restore_plan_id: plan.id,
        snapshot: restore.snapshot,
        repository_id: restore.repository_id,
        method: restore.method,
        max_attempts: 1,
        deadline_minutes: DEADLINE_MINUTES,
        due_at: now,
      });
      await transaction.query(`UPDATE restore_plans SET run_id = $2 WHERE id = $1`, [plan.id, run.id]);
      await recordAct(this.outbox, transaction, principal, {
        action: action === 'undo' ? 'restore.undo_started' : 'restore.safety_copy_drop_started',
        target: { kind: 'run', id },
        details: { run: run.id, server: server.id, database: copy.database, schema: copy.schema, force },
      });
      return presentRun(run);
    });
  }

  private async outline({ run, server, copy }: Kept, order: SafetyCopyOrder): Promise<Outline> {
    // A question is no run; its id only binds the secrets to it.
    const question = `outline_${randomUUID().replaceAll('-', '')}`;
    const secrets = { target: this.secrets.connectionOf(server), repositories: [] };
    const spec: SafetyCopySpec = {
      version: 1,
      type: 'safety-copy',
      run: question,
      attempt: 1,
      organization: run.organization_id,
      engine: server.engine,
      server: { id: server.id, name: server.name },
      deadline: new Date(this.clock.now().getTime() + OUTLINE_MS).toISOString(),
      noProgressSeconds: 60,
      sealedSecrets: await this.secrets.sealForPool(server.pool, secrets, `${question}/1`),
      snapshot: run.snapshot,
      database: copy.database,
      order,
    };
    return this.questions.outline(server.pool, spec);
  }
}

async function findKept(transaction: Transaction, id: string): Promise<Kept> {
  const run = await findRun(transaction, id);
  const copy = run.type === 'restore' ? (run.evidence as RestoreEvidence | null)?.safetyCopy : undefined;
  if (!copy || !run.backup_id || !run.server_id || !run.snapshot)
    throw new RahatError('safety_copy_not_found', `The run ${id} left no safety copy`, {
      hint: 'Restores into a live database leave one: GET /api/v2/restores/safety-copies lists them.',
    });
  const ending = await isEnding(transaction, run);
  if (ending) throw new RahatError('conflict', `The safety copy of ${id} was ended already, or is being ended, by ${ending}`);
  const kept = { ...run, backup_id: run.backup_id, server_id: run.server_id, snapshot: run.snapshot };
  return { run: kept, server: await findServer(transaction, run.server_id), copy };
}
