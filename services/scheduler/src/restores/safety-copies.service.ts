import {
  RahatError,
  SafetyCopyOrder,
  type EndSafetyCopy,
  type KeptSafetyCopy,
  type Page,
  type Principal,
  type Run,
  type SafetyCopyEnd,
  type SafetyCopyEndQuery,
  type SafetyCopyQuery,
  type SafetyCopySpec,
} from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { TenantDatabase, Transaction } from '@rahat/persistence';
import { recordAct, type ListPages } from '@rahat/service-kit';
import type { Clock } from '../clock/clock.js';
import type { RunLedger } from '../runs/run-ledger.js';
import { findRun, presentRun, type RunRow } from '../runs/runs.table.js';
import type { ServerSecrets } from '../servers/server-secrets.js';
import { findServer, type ServerRow } from '../servers/servers.table.js';
import type { WorkerQuestions } from '../servers/worker-questions.js';
import { outlineHead } from './outline-question.js';
import { assertUnblocked } from './restore-plans.service.js';
import type { Outline } from './restore-plans.table.js';
import { listSafetyCopies, lockSafetyCopy, presentSafetyCopy, type SafetyCopyRow } from './safety-copies.table.js';
import { startEnding } from './start-ending.js';

interface Kept {
  restore: RunRow;
  server: ServerRow;
  copy: SafetyCopyRow;
}

/** What restores into live databases left of what was there: listed, put back, or forgotten. */
export class SafetyCopiesService {
  constructor(
    private readonly database: TenantDatabase,
    private readonly outbox: Outbox,
    private readonly ledger: RunLedger,
    private readonly secrets: ServerSecrets,
    private readonly questions: WorkerQuestions,
    private readonly pages: ListPages,
    private readonly clock: Clock,
  ) {}

  async list(principal: Principal, query: SafetyCopyQuery): Promise<Page<KeptSafetyCopy>> {
    const after = this.pages.after(query.cursor);
    const rows = await this.database.inOrganization(principal, (transaction) =>
      listSafetyCopies(transaction, principal.organization, query, after),
    );
    return this.pages.page(rows, query.limit, presentSafetyCopy, (row) => [row.restored_at.toISOString(), row.run_id]);
  }

  /** What `end` would do; nothing is changed. */
  async outlineEnd(principal: Principal, id: string, { action, force }: SafetyCopyEndQuery): Promise<SafetyCopyEnd> {
    const kept = await this.database.inOrganization(principal, (transaction) => findKept(transaction, id));
    const order = SafetyCopyOrder.parse({ of: id, schema: kept.copy.schema_name, action, force: force === 'true' });
    const { steps, overwrites, findings, rows } = await this.outline(kept, order);
    return { steps, overwrites, findings, rows };
  }

  /** A run of its own: looked at first, and judged by its evidence. */
  async end(principal: Principal, id: string, { action, force, lockWaitSeconds }: EndSafetyCopy): Promise<Run> {
    const seen = await this.database.inOrganization(principal, (transaction) => findKept(transaction, id));
    const order: SafetyCopyOrder = { of: id, schema: seen.copy.schema_name, action, force, lockWaitSeconds };
    const outline = await this.outline(seen, order);
    refuseLaterWrites(outline);
    assertUnblocked(outline);
    return this.database.inOrganization(principal, async (transaction) => {
      const { copy, server } = await findKept(transaction, id);
      const run = await startEnding(transaction, this.ledger, { copy, server, order, outline, cause: 'person' }, this.clock.now());
      await recordAct(this.outbox, transaction, principal, {
        action: action === 'undo' ? 'restore.undo_started' : 'restore.safety_copy_drop_started',
        target: { kind: 'run', id },
        details: { run: run.id, server: server.id, database: copy.database_name, schema: copy.schema_name, force },
      });
      return presentRun(run);
    });
  }

  private async outline({ restore, server, copy }: Kept, order: SafetyCopyOrder): Promise<Outline> {
    const secrets = { target: this.secrets.connectionOf(server), repositories: [] };
    const spec: SafetyCopySpec = {
      ...(await outlineHead(this.secrets, { organization: copy.organization_id, server, secrets }, this.clock.now())),
      type: 'safety-copy',
      snapshot: restore.snapshot!,
      database: copy.database_name,
      order,
    };
    return this.questions.outline(server.pool, spec);
  }
}

/** A code of its own: this one can be forced. */
function refuseLaterWrites({ findings }: Outline): void {
  const later = findings.filter(({ code, severity }) => code === 'later_writes' && severity === 'blocker');
  if (later.length === 0) return;
  throw new RahatError('undo_refused', later.map(({ object, message }) => `${object}: ${message}`).join(' '), {
    hint: `Look at them in the database: ${later.map(({ fix }) => fix).join(' ')}`,
  });
}

async function findKept(transaction: Transaction, id: string): Promise<Kept> {
  const restore = await findRun(transaction, id);
  const copy = await lockSafetyCopy(transaction, id);
  return { restore, copy, server: await findServer(transaction, copy.server_id) };
}
