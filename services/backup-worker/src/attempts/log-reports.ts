import { randomUUID } from 'node:crypto';
import { Logger } from '@nestjs/common';
import type { RunSpec } from '@rahat/contracts';
import type { LogCommitted } from './child-messages.js';
import type { ReportSender } from './report-sender.js';

/** Tells the ledger what is durable of a log. In order, and until the queue has it: the window of a server ends where the ledger thinks its log does. */
export class LogReports {
  private readonly logger = new Logger('backup-worker');
  private last: Promise<void> = Promise.resolve();

  constructor(
    private readonly reports: ReportSender,
    private readonly worker: string,
    private readonly stopping: AbortSignal,
  ) {}

  tell({ run, attempt }: RunSpec, { at, ...committed }: LogCommitted): void {
    const message = { run, attempt, worker: this.worker, ...committed, at };
    this.last = this.last
      .then(() => this.reports.deliver('log.committed.v1', message, `log-${randomUUID()}`, this.stopping))
      .catch((error: unknown) => this.logger.warn(`What ${run} committed is not told: ${(error as Error).message}`));
  }
}
