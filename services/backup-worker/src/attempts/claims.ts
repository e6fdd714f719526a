import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { RahatError, SCHEDULER, type RunSpec } from '@rahat/contracts';
import type { Messaging } from '@rahat/messaging';

const ANSWER_LIMIT_MS = 5_000;
const FIRST_PAUSE_MS = 200;
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
    for (let pauseMs = FIRST_PAUSE_MS; !signal.aborted; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      try {
        return (await this.messaging.ask(SCHEDULER, 'attempt.claim.v1', { run, attempt, worker: this.worker }, ANSWER_LIMIT_MS)).granted;
      } catch (error) {
        this.logger.warn(`The scheduler does not say whose ${run}, attempt ${attempt} is: ${(error as Error).message}`);
        await sleep(pauseMs * (0.5 + Math.random()), undefined, { signal }).catch(() => undefined);
      }
    }
    throw new RahatError('unavailable', `${run}, attempt ${attempt} was not begun: the worker was told to stop first`);
  }
}
