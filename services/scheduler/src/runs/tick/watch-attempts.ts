import { RahatError, type BlackoutWindow } from '@rahat/contracts';
import type { Messaging } from '@rahat/messaging';
import type { TenantDatabase, Transaction } from '@rahat/persistence';
import { blackoutAt } from '../../plans/blackouts.js';
import { windowsOfOrganization } from '../../scheduling/scheduling.table.js';
import type { Clock } from '../../clock/clock.js';
import type { SchedulerConfig } from '../../config.js';
import type { AttemptEnd } from '../attempt-end.js';
import { NOT_ENDLESS } from '../endless.js';
import { NO_PROGRESS_MINUTES } from '../run-specs.js';
import type { RunRow } from '../runs.table.js';

/** The worker ends an attempt at its limits itself; one that is still alive after this much more is given up. */
const LIMIT_GRACE_MS = 120_000;
/** Wall clock and monotonic clock may part by this much between two ticks. */
const CLOCK_JUMP_MS = 10_000;
/** After a start, heartbeats of living workers may still wait in the queue. */
const START_GRACE_MS = 20_000;

/** Looks after running attempts: lost workers, deadlines, cancellations that show no effect yet. */
export class WatchAttempts {
  private firstMs: number | undefined;
  private last: { wallMs: number; monotonicMs: number } | undefined;

  constructor(
    private readonly database: TenantDatabase,
    private readonly messaging: Messaging,
    private readonly attemptEnd: AttemptEnd,
    private readonly config: SchedulerConfig,
    private readonly clock: Clock,
  ) {}

  async watch(): Promise<void> {
    await this.forgiveClockJump();
    if (this.clock.monotonicMs() - (this.firstMs ??= this.clock.monotonicMs()) >= START_GRACE_MS) await this.giveUpSilentOnes();
    await this.cancelInBlackouts();
    await this.repeatCancels();
  }

  /** A clock that was set, or a machine that slept, makes every heartbeat look old or from the future: all of them start anew. */
  private async forgiveClockJump(): Promise<void> {
    const current = { wallMs: this.clock.now().getTime(), monotonicMs: this.clock.monotonicMs() };
    const jumped =
      this.last !== undefined &&
      Math.abs(current.wallMs - this.last.wallMs - (current.monotonicMs - this.last.monotonicMs)) > CLOCK_JUMP_MS;
    this.last = current;
    const now = new Date(current.wallMs);
    await this.database.asSystem('start heartbeats anew after a jump of the clock', (transaction) =>
      transaction.query(`UPDATE runs SET heartbeat_at = $1, progressed_at = $1 WHERE state = 'running' AND ($2 OR heartbeat_at > $3)`, [
        now,
        jumped,
        new Date(current.wallMs + CLOCK_JUMP_MS),
      ]),
    );
  }

  private async giveUpSilentOnes(): Promise<void> {
    const now = this.clock.now();
    const silentSince = new Date(now.getTime() - this.config.RAHAT_SCHEDULER_LOST_AFTER_SECONDS * 1000);
    await this.database.asSystem('find lost attempts', async (transaction) => {
      const silent = await transaction.query<RunRow>(
        `SELECT * FROM runs WHERE state = 'running' AND heartbeat_at < $1 ORDER BY heartbeat_at LIMIT 50 FOR UPDATE SKIP LOCKED`,
        [silentSince],
      );
      for (const run of silent)
        await this.attemptEnd.byLoss(
          transaction,
          run,
          new RahatError(
            'worker_lost',
            `Worker ${run.worker} gave no sign of life for ${this.config.RAHAT_SCHEDULER_LOST_AFTER_SECONDS} s`,
          ),
        );
      const known = new Set(silent.map(({ id }) => id));
      const endless = await this.beyondDeadline(transaction, now);
      const stuck = (await this.withoutProgress(transaction, now)).filter((run) => !endless.some(({ id }) => id === run.id));
      for (const run of endless.filter(({ id }) => !known.has(id)))
        await this.attemptEnd.byLoss(
          transaction,
          run,
          new RahatError('deadline_exceeded', `The attempt did not end within ${run.deadline_minutes} minutes`),
        );
      for (const run of stuck.filter(({ id }) => !known.has(id)))
        await this.attemptEnd.byLoss(
          transaction,
          run,
          new RahatError('deadline_exceeded', `Nothing moved for ${run.no_progress_minutes} minutes, and the worker did not end it`),
        );
    });
  }

  private async beyondDeadline(transaction: Transaction, now: Date): Promise<RunRow[]> {
    return transaction.query<RunRow>(
      `SELECT runs.* FROM runs JOIN attempts ON attempts.run_id = runs.id AND attempts.attempt = runs.attempt
       WHERE runs.state = 'running' AND ${NOT_ENDLESS} AND attempts.started_at + make_interval(mins => runs.deadline_minutes) < $1 LIMIT 50 FOR UPDATE OF runs SKIP LOCKED`,
      [new Date(now.getTime() - LIMIT_GRACE_MS)],
    );
  }

  /** A worker that lives while its attempt stands still ends it; here only when it doesn't. A paused run stands still on purpose. */
  private async withoutProgress(transaction: Transaction, now: Date): Promise<(RunRow & { no_progress_minutes: number })[]> {
    return transaction.query<RunRow & { no_progress_minutes: number }>(
      `SELECT runs.*, COALESCE(plans.no_progress_minutes, $2) AS no_progress_minutes FROM runs LEFT JOIN plans ON plans.id = runs.plan_id
       WHERE runs.state = 'running' AND ${NOT_ENDLESS} AND runs.pause IS NULL AND runs.progressed_at + make_interval(mins => COALESCE(plans.no_progress_minutes, $2)) < $1
       LIMIT 50 FOR UPDATE OF runs SKIP LOCKED`,
      [new Date(now.getTime() - LIMIT_GRACE_MS), NO_PROGRESS_MINUTES],
    );
  }

  /** Plans may say that a window ends what it finds running; what a person started goes on. */
  private async cancelInBlackouts(): Promise<void> {
    const now = this.clock.now();
    await this.database.asSystem('cancel what runs in blackout windows', async (transaction) => {
      const running = await transaction.query<RunRow & { windows: BlackoutWindow[] }>(
        `SELECT runs.*, plans.blackouts || servers.blackouts AS windows FROM runs JOIN plans ON plans.id = runs.plan_id JOIN servers ON servers.id = runs.server_id
         WHERE runs.state = 'running' AND runs.type = 'backup' AND runs.cause IN ('schedule', 'catch_up') AND runs.cancel_requested_at IS NULL AND plans.blackout_running = 'cancel'`,
      );
      for (const run of running) {
        const blackout = blackoutAt([...run.windows, ...(await windowsOfOrganization(transaction, run.organization_id))], now);
        if (blackout)
          await transaction.query(`UPDATE runs SET cancel_requested_at = $2, cancel_reason = $3 WHERE id = $1 AND state = 'running'`, [
            run.id,
            now,
            `Cancelled by its plan: the blackout window ${blackout.reason} began.`,
          ]);
      }
    });
  }

  private async repeatCancels(): Promise<void> {
    const cancelled = await this.database.asSystem('find cancellations without effect', (transaction) =>
      transaction.query<{ id: string }>(`SELECT id FROM runs WHERE state = 'running' AND cancel_requested_at IS NOT NULL`),
    );
    for (const { id } of cancelled) await this.messaging.signal('run.cancel', { run: id });
  }
}
