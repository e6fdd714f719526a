import { randomUUID } from 'node:crypto';
import { Logger } from '@nestjs/common';
import { joinedRanges, type LogBranch, type LogRange, type RunSpec } from '@rahat/contracts';
import type { LogCommitted } from './child-messages.js';
import type { ReportSender } from './report-sender.js';

/** So many commits are told again with each later one. */
const TOLD_AGAIN = 64;

/**
 * Tells the ledger what is durable of a log: the window of a server ends where the ledger thinks that its log does. Queues change the
 * order of messages and may lose some, so each tells of the commits before it, too.
 */
export class LogReports {
  private readonly logger = new Logger('backup-worker');
  private recent: LogRange[] = [];
  private branches: LogBranch[] = [];

  constructor(
    private readonly reports: ReportSender,
    private readonly worker: string,
    private readonly stopping: AbortSignal,
  ) {}

  tell({ run, attempt }: RunSpec, { ranges, branches = [], ...committed }: LogCommitted): void {
    this.recent = [...this.recent, ...ranges].slice(-TOLD_AGAIN);
    this.branches.push(...branches);
    const message = { run, attempt, worker: this.worker, ...committed, ranges: joinedRanges(this.recent), branches: this.branches };
    this.reports
      .deliver('log.committed.v1', message, `log-${randomUUID()}`, this.stopping)
      .catch((error: unknown) => this.logger.warn(`What ${run} committed is not told: ${(error as Error).message}`));
  }
}
