import {
  RahatError,
  type EndSafetyCopy,
  type Principal,
  type Run,
  type SafetyCopies,
  type SafetyCopyOrder,
  type SafetyCopySpec,
} from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { TenantDatabase, Transaction } from '@rahat/persistence';
import { recordAct } from '@rahat/service-kit';
import type { Clock } from '../clock/clock.js';
import type { RunLedger } from '../runs/run-ledger.js';
import { findRun, presentRun, type RunRow } from '../runs/runs.table.js';
import type { ServerSecrets } from '../servers/server-secrets.js';
import { findServer, type ServerRow } from '../servers/servers.table.js';
import type { WorkerQuestions } from '../servers/worker-questions.js';
import { outlineHead } from './outline-question.js';
import { assertUnblocked } from './restore-plans.service.js';
import type { Outline } from './restore-plans.table.js';
import { listSafetyCopies, lockSafetyCopy, type SafetyCopyRow } from './safety-copies.table.js';
import { startEnding } from './start-ending.js';

const LOCK_WAIT_SECONDS = 10;

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
    private readonly clock: Clock,
  ) {}

  async list(principal: Principal): Promise<SafetyCopies> {
    const data = await this.database.inOrganization(principal, (transaction) => listSafetyCopies(transaction, principal.organization));
    return { data };
  }

  /** A run of its own: looked at first, and judged by its evidence. */
  async end(principal: Principal, id: string, { action, force }: EndSafetyCopy): Promise<Run> {
    const seen = await this.database.inOrganization(principal, (transaction) => findKept(transaction, id));
    const order: SafetyCopyOrder = { of: id, schema: seen.copy.schema_name, action, force, lockWaitSeconds: LOCK_WAIT_SECONDS };
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
