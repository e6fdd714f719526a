import { RahatError, type AttemptResult, type Evidence, type RunError } from '@rahat/contracts';
import type { Messaging } from '@rahat/messaging';
import type { Transaction } from '@rahat/persistence';
import type { Clock } from '../clock/clock.js';
import type { SchedulerConfig } from '../config.js';
import { requestOfRun } from '../restores/restore-plans.table.js';
import { isLeftOpen, leftOpenInWords } from '../restores/settle-restore.js';
import { judge, type Judgement } from './judgement.js';
import { retryPauseMs } from './retry-pause.js';
import { isEndless } from './endless.js';
import type { RunLedger } from './run-ledger.js';
import { writeRunLog } from './run-log.js';
import type { RunOutcomes } from './run-outcomes.js';
import type { Cause } from './run-states.js';
import type { RunRow } from './runs.table.js';

const LONGEST_ENDLESS_PAUSE_MS = 30_000;

/** Decides what becomes of a run whose current attempt has ended, one way or another. */
export class AttemptEnd {
  constructor(
    private readonly messaging: Messaging,
    private readonly ledger: RunLedger,
    private readonly outcomes: RunOutcomes,
    private readonly config: SchedulerConfig,
    private readonly clock: Clock,
  ) {}

  /** `run` is locked, and the result is of its current attempt. */
  async byResult(transaction: Transaction, run: RunRow, result: AttemptResult): Promise<void> {
    await transaction.query(`UPDATE attempts SET reported_at = $3 WHERE run_id = $1 AND attempt = $2`, [
      run.id,
      run.attempt,
      this.clock.now(),
    ]);
    const restore = await requestOfRun(transaction, run);
    const judgement = judge(result, {
      ended: restore?.safetyCopy,
      merged: restore?.merge !== undefined,
      type: run.type,
      stream: run.stream_id ?? undefined,
      recovery: run.recovery ?? undefined,
      snapshot: run.snapshot,
      repository: run.repository_id,
      level: run.level ?? undefined,
      assertions: run.assertions.map(({ name }) => name),
    });
    const evidence = result.outcome === 'evidence' ? result.evidence : result.outcome === 'error' ? result.evidence : undefined;
    switch (judgement.state) {
      case 'succeeded':
      case 'partial':
        await this.close(transaction, run, judgement, evidence, 'worker');
        return;
      case 'failed':
        if (run.cancel_requested_at)
          await this.close(
            transaction,
            run,
            { state: 'cancelled', reasons: [run.cancel_reason ?? 'Cancelled; the attempt ended with an error.', ...judgement.reasons] },
            evidence,
            'worker',
          );
        else await this.retryOrFail(transaction, run, judgement, evidence, 'worker');
        return;
      case 'cancelled':
        if (run.cancel_requested_at)
          await this.close(
            transaction,
            run,
            run.cancel_reason ? { state: 'cancelled', reasons: [run.cancel_reason] } : judgement,
            evidence,
            'worker',
          );
        // A worker that shuts down gives its work back without being asked to cancel.
        else
          await this.retryOrFail(transaction, run, lost('The worker gave the run back because it was shutting down.'), evidence, 'worker');
        return;
    }
  }

  /** The worker is silent, or did not end in time. */
  async byLoss(transaction: Transaction, run: RunRow, error: RahatError): Promise<void> {
    const judgement: Judgement = { state: 'failed', reasons: [error.message], error: error.serialize() };
    if (run.cancel_requested_at)
      await this.close(transaction, run, { state: 'cancelled', reasons: ['Cancelled; the worker was lost.'] }, undefined, 'reconciler');
    else await this.retryOrFail(transaction, run, judgement, undefined, 'reconciler');
  }

  private async retryOrFail(
    transaction: Transaction,
    run: RunRow,
    judgement: Extract<Judgement, { state: 'failed' }>,
    evidence: Evidence | undefined,
    cause: Cause,
  ): Promise<void> {
    // A pause that lasted too long is nobody's failure: it costs no try, and the next attempt waits until the run is resumed.
    const maxAttempts = run.max_attempts + (judgement.error.code === 'pause_expired' ? 1 : 0);
    if (!judgement.error.retryable || (run.attempt >= maxAttempts && !isEndless(run))) {
      await this.close(transaction, run, judgement, evidence, cause);
      return;
    }
    const pauseMs = maxAttempts > run.max_attempts ? 0 : this.pauseMs(run, judgement.error);
    await this.endAttempt(transaction, run, judgement.error);
    // A run that ends well in the end keeps no error; its log tells what became of the tries before.
    const { code, message } = judgement.error;
    const line = {
      at: this.clock.now().toISOString(),
      level: 'warning' as const,
      message: `Attempt ${run.attempt} ended, another follows: ${message} (${code})`,
    };
    await writeRunLog(this.messaging, transaction, run, run.attempt, [line]);
    await this.ledger.queueAttempt(transaction, run, cause, {
      max_attempts: isEndless(run) ? run.max_attempts : maxAttempts,
      not_before: new Date(this.clock.now().getTime() + pauseMs),
      reasons: judgement.reasons,
      error: judgement.error,
    });
  }

  private pauseMs(run: RunRow, error: RunError): number {
    const firstMs = this.config.RAHAT_SCHEDULER_RETRY_SECONDS * 1000;
    if (!isEndless(run)) return retryPauseMs(run.attempt, firstMs, Math.random);
    // The source keeps its log meanwhile, on its own disk.
    return error.code === 'worker_lost' ? 0 : Math.min(firstMs, LONGEST_ENDLESS_PAUSE_MS);
  }

  private async close(
    transaction: Transaction,
    run: RunRow,
    judgement: Judgement,
    evidence: Evidence | undefined,
    cause: Cause,
  ): Promise<void> {
    const error = judgement.state === 'failed' ? judgement.error : null;
    await this.endAttempt(transaction, run, error);
    const request = await requestOfRun(transaction, run);
    const closed = await this.ledger.move(transaction, run, judgement.state, cause, {
      reasons: isLeftOpen(request, run, judgement, evidence) ? [...judgement.reasons, leftOpenInWords(run)] : judgement.reasons,
      error,
      evidence: evidence ?? null,
    });
    if (closed) await this.outcomes.follow(transaction, closed, judgement);
  }

  private async endAttempt(transaction: Transaction, run: RunRow, error: RunError | null): Promise<void> {
    await transaction.query(`UPDATE attempts SET finished_at = $3, error = $4 WHERE run_id = $1 AND attempt = $2`, [
      run.id,
      run.attempt,
      this.clock.now(),
      error ? JSON.stringify(error) : null,
    ]);
  }
}

function lost(message: string): Extract<Judgement, { state: 'failed' }> {
  return { state: 'failed', reasons: [message], error: new RahatError('worker_lost', message).serialize() };
}
