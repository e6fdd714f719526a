import { randomUUID } from 'node:crypto';
import { Logger } from '@nestjs/common';
import type { LogBranch, LogRange, RunSpec } from '@rahat/contracts';
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
    const message = { run, attempt, worker: this.worker, ...committed, ranges: joined(this.recent), branches: this.branches };
    this.reports
      .deliver('log.committed.v1', message, `log-${randomUUID()}`, this.stopping)
      .catch((error: unknown) => this.logger.warn(`What ${run} committed is not told: ${(error as Error).message}`));
  }
}

/** Adjacent ones as one; they are in the log's order. */
export function joined(ranges: readonly LogRange[]): LogRange[] {
  const all: LogRange[] = [];
  for (const range of ranges) {
    const last = all.at(-1);
    if (last?.timeline !== range.timeline || last.end !== range.start) {
      all.push(range);
      continue;
    }
    const firstCommitAt = last.firstCommitAt ?? range.firstCommitAt;
    const lastCommitAt = range.lastCommitAt ?? last.lastCommitAt;
    all[all.length - 1] = {
      ...last,
      end: range.end,
      ...(firstCommitAt === undefined ? {} : { firstCommitAt }),
      ...(lastCommitAt === undefined ? {} : { lastCommitAt }),
    };
  }
  return all;
}
