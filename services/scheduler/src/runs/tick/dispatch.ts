import { QUEUES, RahatError, type RunSpec } from '@rahat/contracts';
import type { Messaging, Outbox } from '@rahat/messaging';
import type { TenantDatabase } from '@rahat/persistence';
import type { Clock } from '../../clock/clock.js';
import type { SchedulerConfig } from '../../config.js';
import { recordOwnAct } from '../../trail/trail.js';
import { isEndless } from '../endless.js';
import type { RunLedger } from '../run-ledger.js';
import type { RunOutcomes } from '../run-outcomes.js';
import type { RunSpecs } from '../run-specs.js';
import { lockRun, usesServer, type RunRow } from '../runs.table.js';

const RUNS_AT_ONCE = 50;
const PAUSE_AFTER_FAILURE_MS = 15_000;
const SENDS_PER_ID = 10;

/** Brings queued attempts to their pool's queue. The grant is fetched outside of any transaction. */
export class Dispatch {
  constructor(
    private readonly database: TenantDatabase,
    private readonly outbox: Outbox,
    private readonly messaging: Messaging,
    private readonly ledger: RunLedger,
    private readonly outcomes: RunOutcomes,
    private readonly specs: RunSpecs,
    private readonly config: SchedulerConfig,
    private readonly clock: Clock,
  ) {}

  /** Gives whether there may be more of them. */
  async sendQueued(): Promise<{ more: boolean }> {
    const ready = await this.database.asSystem('find attempts to send to workers', (transaction) =>
      transaction.query<RunRow>(
        `SELECT * FROM runs WHERE state = 'queued' AND admitted_at IS NOT NULL AND dispatched_at IS NULL AND pause IS NULL AND not_before <= $1 ORDER BY priority, due_at, id LIMIT ${RUNS_AT_ONCE}`,
        [this.clock.now()],
      ),
    );
    for (const run of ready) await this.send(run);
    return { more: ready.length === RUNS_AT_ONCE };
  }

  /** PostgreSQL is the truth: what a queue may have lost is put there again, as the same message, which a queue that still has it ignores. */
  async sendAgain(): Promise<void> {
    const silentSince = new Date(this.clock.now().getTime() - this.config.RAHAT_SCHEDULER_REDISPATCH_SECONDS * 1000);
    const silent = await this.database.asSystem('find attempts that a queue may have lost', (transaction) =>
      transaction.query<RunRow>(
        `UPDATE runs SET dispatched_at = $2, dispatches = dispatches + 1 WHERE id IN (SELECT id FROM runs WHERE state = 'queued' AND dispatched_at <= $1 ORDER BY dispatched_at LIMIT ${RUNS_AT_ONCE} FOR UPDATE SKIP LOCKED) RETURNING *`,
        [silentSince, this.clock.now()],
      ),
    );
    for (const run of silent) {
      if (await this.failWhenTooLate(run)) continue;
      try {
        const { pool, spec } = await this.specs.forAttempt(run);
        await this.messaging.send(queueOf(spec, pool), 'run.execute.v1', { spec }, { id: messageId(run), priority: run.priority });
      } catch (error) {
        await this.giveUpOrWait(run, RahatError.from(error));
      }
    }
  }

  private async send(run: RunRow): Promise<void> {
    if (await this.failWhenTooLate(run)) return;
    try {
      const { pool, spec } = await this.specs.forAttempt(run);
      await this.database.asSystem('send an attempt to a worker', async (transaction) => {
        const current = await lockRun(transaction, run.id);
        if (
          current?.state !== 'queued' ||
          current.attempt !== run.attempt ||
          !current.admitted_at ||
          current.dispatched_at ||
          current.pause
        )
          return;
        await transaction.query(`UPDATE runs SET dispatched_at = $2, dispatches = 1 WHERE id = $1`, [run.id, this.clock.now()]);
        await this.outbox.command(
          transaction,
          queueOf(spec, pool),
          'run.execute.v1',
          { spec },
          { id: messageId(run), priority: run.priority },
        );
        if (usesServer(run) && run.server_id)
          await recordOwnAct(this.outbox, transaction, run.organization_id, {
            action: 'server.credential_used',
            target: { kind: 'server', id: run.server_id },
            details: { run: run.id, attempt: run.attempt, purpose: run.type, pool },
          });
      });
    } catch (error) {
      await this.giveUpOrWait(run, RahatError.from(error));
    }
  }

  /** Nobody took it within the time that it may last. */
  private async failWhenTooLate(run: RunRow): Promise<boolean> {
    if (isEndless(run) || this.clock.now().getTime() - run.queued_at!.getTime() < run.deadline_minutes * 60_000) return false;
    await this.fail(
      run,
      new RahatError('deadline_exceeded', `No worker took this run within ${run.deadline_minutes} minutes`, {
        hint: 'Is a worker of the pool of this server running?',
      }),
    );
    return true;
  }

  private async giveUpOrWait(run: RunRow, error: RahatError): Promise<void> {
    // `internal` may be a restart of the storage service; it ends with the deadline at the latest.
    if (!error.retryable && error.code !== 'internal') {
      await this.fail(run, error);
      return;
    }
    const until = new Date(this.clock.now().getTime() + PAUSE_AFTER_FAILURE_MS);
    await this.database.asSystem('wait for what an attempt needs', (transaction) =>
      transaction.query(
        // Its place is for others meanwhile.
        `UPDATE runs SET not_before = $3, error = $4, reasons = $5, waiting_for = $6, admitted_at = NULL WHERE id = $1 AND attempt = $2 AND state = 'queued' AND dispatched_at IS NULL`,
        [
          run.id,
          run.attempt,
          until,
          JSON.stringify(error.serialize()),
          JSON.stringify([error.message]),
          JSON.stringify({ reason: 'preparation', message: error.message, until: until.toISOString() }),
        ],
      ),
    );
  }

  private async fail(run: RunRow, error: RahatError): Promise<void> {
    await this.database.asSystem('end a run that cannot be sent', async (transaction) => {
      const failed = await this.ledger.move(transaction, run, 'failed', 'tick', { error: error.serialize(), reasons: [error.message] });
      if (failed) await this.outcomes.follow(transaction, failed, { state: 'failed', reasons: [error.message], error: error.serialize() });
    });
  }
}

function queueOf({ type }: RunSpec, pool: string): string {
  return type === 'follow' ? QUEUES.followers(pool) : QUEUES.worker(pool);
}

/**
 * Stable for an attempt, so that a queue that still has it takes no second one. Now and then a new one, because a queue
 * also remembers what it has done or given up; workers execute an attempt once, however many messages ask for it.
 */
function messageId(run: RunRow): string {
  const renewal = Math.floor(run.dispatches / SENDS_PER_ID);
  return `execute_${run.id}_${run.attempt}${renewal > 0 ? `_${renewal}` : ''}`;
}
