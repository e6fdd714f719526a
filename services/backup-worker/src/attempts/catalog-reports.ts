import { Logger } from '@nestjs/common';
import { type FoundLog, type FoundSnapshot, RahatError, type RunSpec } from '@rahat/contracts';
import type { TellFound } from '@rahat/execution';
import type { Messaging } from '@rahat/messaging';
import { askScheduler } from './ask-scheduler.js';

const ANSWER_LIMIT_MS = 60_000;
const LONGEST_PAUSE_MS = 15_000;

/** Brings pages of found snapshots to the catalog. */
export class CatalogReports {
  private readonly logger = new Logger('backup-worker');

  constructor(
    private readonly messaging: Messaging,
    private readonly worker: string,
  ) {}

  /** Asks until the catalog has answered: a page that it took twice is taken once. */
  async tell(
    { run, attempt }: RunSpec,
    page: { snapshots: FoundSnapshot[]; last: boolean; logs?: FoundLog[] | undefined },
    signal: AbortSignal,
  ): Promise<Awaited<ReturnType<TellFound>>> {
    const question = { run, attempt, worker: this.worker, ...page };
    const answer = await askScheduler(this.messaging, 'snapshots.found.v1', question, {
      answerLimitMs: ANSWER_LIMIT_MS,
      longestPauseMs: LONGEST_PAUSE_MS,
      signal,
      onFailure: (error) => {
        // A scheduler that is older doesn't know the question, and will not learn it meanwhile.
        if (error instanceof RahatError && error.code === 'message_invalid') throw error;
        this.logger.warn(`The catalog does not take what ${run}, attempt ${attempt} found: ${(error as Error).message}`);
      },
    });
    if (!answer) throw RahatError.from(signal.reason);
    if (answer.granted) return answer;
    throw new RahatError('worker_lost', `${run}, attempt ${attempt} is no longer this worker's`);
  }
}
