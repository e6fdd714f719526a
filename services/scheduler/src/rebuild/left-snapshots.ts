import type { Outbox } from '@rahat/messaging';
import type { Transaction } from '@rahat/persistence';
import type { Clock } from '../clock/clock.js';
import type { SchedulerConfig } from '../config.js';
import type { RunLedger } from '../runs/run-ledger.js';
import { recordOwnAct } from '../trail/trail.js';
import { newRebuild } from './new-rebuild.js';

/** After its deadline a worker ends an attempt, and what it commits; clocks may differ by some minutes. */
const END_MARGIN_MS = 10 * 60_000;
/** A rebuild that fails is told as a failed run, and not repeated at each tick. */
const BETWEEN_REBUILDS_MS = 3_600_000;
const REPOSITORIES_AT_ONCE = 20;

/** Latest time at which the worker of an attempt can have committed anything. */
const ENDS_BY = `COALESCE(attempts.started_at, attempts.queued_at) + make_interval(mins => runs.deadline_minutes)`;

/**
 * Settles what attempts may have committed while the database had a gap (`Memory`): the repository knows, so a rebuild asks it. The
 * first follows when people had time to look for themselves; another one where the attempt could still commit at that time.
 */
export class LeftSnapshots {
  private readonly waitMs: number;

  constructor(
    private readonly outbox: Outbox,
    private readonly ledger: RunLedger,
    config: Pick<SchedulerConfig, 'RAHAT_SCHEDULER_LOOK_FOR_LEFT_AFTER_SECONDS'>,
    private readonly clock: Clock,
  ) {
    this.waitMs = config.RAHAT_SCHEDULER_LOOK_FOR_LEFT_AFTER_SECONDS * 1000;
  }

  async settle(transaction: Transaction): Promise<{ more: boolean }> {
    await this.forgetSettled(transaction);
    const repositories = await this.repositoriesToRead(transaction);
    for (const { repository, organization, attempts } of repositories) {
      const run = await this.ledger.createDue(transaction, await newRebuild(transaction, { organization, repository }, this.clock.now()));
      await recordOwnAct(this.outbox, transaction, organization, {
        action: 'catalog.rebuild_started',
        target: { kind: 'repository', id: repository },
        details: { run: run.id, reason: `${attempts} attempts may have committed while the database could not hear of it` },
      });
    }
    return { more: repositories.length === REPOSITORIES_AT_ONCE };
  }

  /** Its snapshot is in the catalog or on its way out, or a rebuild that began after the attempt's end did not find it. */
  private async forgetSettled(transaction: Transaction): Promise<void> {
    await transaction.query(
      `UPDATE attempts SET left_at = NULL FROM runs WHERE runs.id = attempts.run_id AND attempts.left_at IS NOT NULL AND (
         attempts.discarded_at IS NOT NULL
         OR EXISTS (SELECT 1 FROM backups WHERE backups.repository_id = runs.repository_id AND backups.snapshot = attempts.snapshot)
         OR EXISTS (SELECT 1 FROM runs AS rebuilds WHERE rebuilds.type = 'rebuild' AND NOT rebuilds.dry_run AND rebuilds.repository_id = runs.repository_id
              AND rebuilds.state IN ('succeeded', 'partial') AND rebuilds.due_at > GREATEST(attempts.left_at, runs.finished_at, ${ENDS_BY} + $1::interval)))`,
      [`${END_MARGIN_MS} milliseconds`],
    );
  }

  private async repositoriesToRead(transaction: Transaction): Promise<{ organization: string; repository: string; attempts: number }[]> {
    const now = this.clock.now();
    const since = (timeMs: number) => new Date(now.getTime() - timeMs);
    return transaction.query(
      `SELECT runs.organization_id AS organization, runs.repository_id AS repository, count(*)::int AS attempts
       FROM attempts JOIN runs ON runs.id = attempts.run_id
       WHERE attempts.left_at < $1 AND runs.finished_at IS NOT NULL
         AND NOT EXISTS (SELECT 1 FROM runs AS rebuilds WHERE rebuilds.type = 'rebuild' AND NOT rebuilds.dry_run AND rebuilds.repository_id = runs.repository_id
           AND (rebuilds.finished_at IS NULL OR rebuilds.due_at > $2
             -- One has looked already, and until the attempt is sure to have ended another one would see no more.
             OR (rebuilds.state IN ('succeeded', 'partial') AND rebuilds.due_at > GREATEST(attempts.left_at, runs.finished_at) AND ${ENDS_BY} > $3)))
       GROUP BY 1, 2 ORDER BY 2 LIMIT ${REPOSITORIES_AT_ONCE}`,
      [since(this.waitMs), since(BETWEEN_REBUILDS_MS), since(END_MARGIN_MS)],
    );
  }
}
