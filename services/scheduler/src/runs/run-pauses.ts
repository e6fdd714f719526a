import { RahatError, type Principal, type Run } from '@rahat/contracts';
import type { Messaging, Outbox } from '@rahat/messaging';
import type { TenantDatabase, Transaction } from '@rahat/persistence';
import { recordAct } from '@rahat/service-kit';
import type { Clock } from '../clock/clock.js';
import { lockRun, presentRun, type RunRow } from './runs.table.js';

/**
 * A waiting run simply doesn't start. A running one is held up by its worker, which lets the source wait for a bounded time;
 * after that the attempt ends, and the next one starts when the run is resumed.
 */
export class RunPauses {
  constructor(
    private readonly database: TenantDatabase,
    private readonly outbox: Outbox,
    private readonly messaging: Messaging,
    private readonly clock: Clock,
    /** A resumed run need not wait for the next tick. */
    private readonly onResumed: () => void,
  ) {}

  async pause(principal: Principal, id: string): Promise<Run> {
    const run = await this.change(principal, id, 'run.paused', async (transaction, row) => {
      if (row.cancel_requested_at) throw new RahatError('conflict', 'This run is being cancelled');
      if (row.pause) return row;
      const now = this.clock.now();
      return write(transaction, row, { at: now.toISOString(), by: principal.name }, now);
    });
    if (run.dispatched_at) await this.messaging.signal('run.pause', { run: id });
    return presentRun(run);
  }

  async resume(principal: Principal, id: string): Promise<Run> {
    const run = await this.change(principal, id, 'run.resumed', async (transaction, row) => {
      if (!row.pause) return row;
      transaction.afterCommit(this.onResumed);
      return write(transaction, row, null, this.clock.now());
    });
    if (run.dispatched_at) await this.messaging.signal('run.resume', { run: id });
    return presentRun(run);
  }

  /** Signals are not kept by anyone: those that show no effect yet are sent again. */
  async repeatSignals(): Promise<void> {
    const running = await this.database.asSystem('find pauses without effect', (transaction) =>
      transaction.query<{ id: string; paused: boolean }>(
        `SELECT id, pause IS NOT NULL AS paused FROM runs WHERE state = 'running' AND (pause IS NOT NULL) <> (COALESCE(progress ->> 'phase', '') = 'paused')`,
      ),
    );
    for (const { id, paused } of running) await this.messaging.signal(paused ? 'run.pause' : 'run.resume', { run: id });
  }

  private async change(
    principal: Principal,
    id: string,
    action: string,
    change: (transaction: Transaction, row: RunRow) => Promise<RunRow>,
  ): Promise<RunRow> {
    return this.database.inOrganization(principal, async (transaction) => {
      const before = await lockRun(transaction, id);
      if (!before) throw new RahatError('not_found', `There is no run ${id}`);
      if (before.state === 'expected') throw new RahatError('conflict', 'This run is only expected', { hint: 'Pause the plan instead.' });
      if (before.state !== 'due' && before.state !== 'queued' && before.state !== 'running')
        throw new RahatError('conflict', `This run is over: ${before.state}`);
      const after = await change(transaction, before);
      if (after !== before)
        await recordAct(this.outbox, transaction, principal, {
          action,
          target: { kind: 'run', id },
          details: { type: before.type, state: before.state },
        });
      return after;
    });
  }
}

/** A run that was held up has not stood still by itself. */
async function write(transaction: Transaction, run: RunRow, pause: RunRow['pause'], now: Date): Promise<RunRow> {
  const [row] = await transaction.query<RunRow>(
    `UPDATE runs SET pause = $2, waiting_for = NULL, progressed_at = CASE WHEN state = 'running' THEN $3::timestamptz ELSE progressed_at END WHERE id = $1 RETURNING *`,
    [run.id, pause === null ? null : JSON.stringify(pause), now],
  );
  return row!;
}
