import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { type Answer, type FoundSnapshot, type Question, RahatError, type RunSpec, SCHEDULER } from '@rahat/contracts';
import type { TellFound } from '@rahat/execution';
import type { Messaging } from '@rahat/messaging';

const ANSWER_LIMIT_MS = 60_000;
const FIRST_PAUSE_MS = 200;
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
    snapshots: FoundSnapshot[],
    last: boolean,
    signal: AbortSignal,
  ): Promise<Awaited<ReturnType<TellFound>>> {
    const answer = await this.ask({ run, attempt, worker: this.worker, snapshots, last }, signal);
    if (answer.granted) return answer;
    throw new RahatError('worker_lost', `${run}, attempt ${attempt} is no longer this worker's`);
  }

  private async ask(question: Question<'snapshots.found.v1'>, signal: AbortSignal): Promise<Answer<'snapshots.found.v1'>> {
    for (let pauseMs = FIRST_PAUSE_MS; !signal.aborted; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      try {
        return await this.messaging.ask(SCHEDULER, 'snapshots.found.v1', question, ANSWER_LIMIT_MS);
      } catch (error) {
        // A scheduler that is older doesn't know the question, and will not learn it meanwhile.
        if (error instanceof RahatError && error.code === 'message_invalid') throw error;
        this.logger.warn(`The catalog does not take what ${question.run}, attempt ${question.attempt} found: ${(error as Error).message}`);
        await sleep(pauseMs * (0.5 + Math.random()), undefined, { signal }).catch(() => undefined);
      }
    }
    throw RahatError.from(signal.reason);
  }
}
