import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { type CommandName, type CommandPayload, QUEUES } from '@rahat/contracts';
import type { Messaging } from '@rahat/messaging';

const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 15_000;

/** What a worker tells the scheduler. */
export class ReportSender {
  private readonly logger = new Logger('backup-worker');

  constructor(private readonly messaging: Messaging) {}

  /** Tries until the queue has it: without this message the run would be taken for lost. */
  async deliver<N extends CommandName>(name: N, payload: CommandPayload<N>, id: string, signal?: AbortSignal): Promise<void> {
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      try {
        return await this.messaging.send(QUEUES.scheduler, name, payload, { id });
      } catch (error) {
        if (signal?.aborted) throw error;
        this.logger.warn(`${name} is not in the queue yet: ${(error as Error).message}`);
        // Jitter, so that many workers don't knock at the same moment.
        await sleep(pauseMs * (0.5 + Math.random()), undefined, { signal }).catch(() => undefined);
      }
    }
  }

  /** For what the next one makes up for: heartbeats, progress, log lines. */
  tell<N extends CommandName>(name: N, payload: CommandPayload<N>): void {
    this.messaging
      .send(QUEUES.scheduler, name, payload)
      .catch((error: unknown) => this.logger.debug(`${name} was not sent: ${(error as Error).message}`));
  }
}
