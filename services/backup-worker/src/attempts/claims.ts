import { Logger } from '@nestjs/common';
import { RahatError, type RunSpec } from '@rahat/contracts';
import type { Messaging } from '@rahat/messaging';
import { askScheduler } from './ask-scheduler.js';

const ANSWER_LIMIT_MS = 5_000;
const LONGEST_PAUSE_MS = 5_000;

/** Asks the ledger for an attempt before any work. */
export class Claims {
  private readonly logger = new Logger('backup-worker');

  constructor(
    private readonly messaging: Messaging,
    private readonly worker: string,
  ) {}

  /** Asks until there is an answer; false when the attempt is not for this worker. Rejects when `signal` ends the wait: then the queue gives it to another one. */
  async claim({ run, attempt }: RunSpec, signal: AbortSignal): Promise<boolean> {
    const question = { run, attempt, worker: this.worker };
    const answer = await askScheduler(this.messaging, 'attempt.claim.v1', question, {
      answerLimitMs: ANSWER_LIMIT_MS,
      longestPauseMs: LONGEST_PAUSE_MS,
      signal,
      onFailure: (error) => this.logger.warn(`The scheduler does not say whose ${run}, attempt ${attempt} is: ${(error as Error).message}`),
    });
    if (!answer) throw new RahatError('unavailable', `${run}, attempt ${attempt} was not begun: the worker was told to stop first`);
    return answer.granted;
  }
}
