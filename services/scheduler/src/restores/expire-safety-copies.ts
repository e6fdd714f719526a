import type { SafetyCopyOrder } from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { Transaction } from '@rahat/persistence';
import type { Clock } from '../clock/clock.js';
import type { RunLedger } from '../runs/run-ledger.js';
import type { ServerRow } from '../servers/servers.table.js';
import { recordOwnAct } from '../trail/trail.js';
import { dropLater, lockExpired, recordEnd, type SafetyCopyRow } from './safety-copies.table.js';
import { startEnding } from './start-ending.js';

const ROWS_AT_ONCE = 100;
const FIRST_PAUSE_MS = 60 * 60_000;
const LONGEST_PAUSE_MS = 24 * 60 * 60_000;
/** About three weeks of tries: the server is gone, and what was kept on it. */
const MOST_TRIES = 25;
const LOCK_WAIT_SECONDS = 10;

/** What a restore kept lies in the database of somebody else: when its time is over, it goes. */
export class ExpireSafetyCopies {
  constructor(
    private readonly outbox: Outbox,
    private readonly ledger: RunLedger,
    private readonly clock: Clock,
  ) {}

  async expireDue(transaction: Transaction): Promise<{ more: boolean }> {
    const due = await lockExpired(transaction, this.clock.now(), ROWS_AT_ONCE);
    for (const copy of due) {
      if (copy.drop_tries < MOST_TRIES) await this.drop(transaction, copy);
      else await this.leave(transaction, copy);
    }
    return { more: due.length === ROWS_AT_ONCE };
  }

  private async drop(transaction: Transaction, copy: SafetyCopyRow): Promise<void> {
    const now = this.clock.now();
    // Of a removed server, too: its database server is still there, most often.
    const [server] = await transaction.query<ServerRow>(`SELECT * FROM servers WHERE id = $1`, [copy.server_id]);
    const order: SafetyCopyOrder = {
      of: copy.run_id,
      schema: copy.schema_name,
      action: 'drop',
      force: false,
      lockWaitSeconds: LOCK_WAIT_SECONDS,
    };
    const steps = [`Drop the safety copy ${copy.schema_name}: its time is over`];
    const outline = { steps, overwrites: [], findings: [], sizeBytes: 0, rows: 0 };
    const run = await startEnding(transaction, this.ledger, { copy, server: server!, order, outline, cause: 'reaction' }, now);
    const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(10, copy.drop_tries));
    await dropLater(transaction, copy.run_id, new Date(now.getTime() + pauseMs));
    await recordOwnAct(this.outbox, transaction, copy.organization_id, {
      action: 'restore.safety_copy_drop_started',
      target: { kind: 'run', id: copy.run_id },
      details: { run: run.id, ...placeOf(copy), reason: 'expired' },
    });
  }

  private async leave(transaction: Transaction, copy: SafetyCopyRow): Promise<void> {
    await recordEnd(transaction, copy.run_id, { as: 'left', at: this.clock.now() });
    await recordOwnAct(this.outbox, transaction, copy.organization_id, {
      action: 'restore.safety_copy_left',
      target: { kind: 'run', id: copy.run_id },
      details: { ...placeOf(copy), tries: copy.drop_tries, cure: `DROP SCHEMA ${copy.schema_name} CASCADE` },
    });
  }
}

function placeOf(copy: SafetyCopyRow): { server: string; database: string; schema: string } {
  return { server: copy.server_id, database: copy.database_name, schema: copy.schema_name };
}
