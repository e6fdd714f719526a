import { RahatError, type Page, type PageQuery, type Principal, type Run, type RunLogLine, type RunQuery } from '@rahat/contracts';
import type { Messaging, Outbox } from '@rahat/messaging';
import type { TenantDatabase, Transaction } from '@rahat/persistence';
import { recordAct, type ListPages } from '@rahat/service-kit';
import type { Clock } from '../clock/clock.js';
import type { RunLedger } from './run-ledger.js';
import { foundIds } from '../catalog/found-ids.js';
import { RUN_ORDER, runConditions } from './run-list.js';
import { findRun, lockRun, presentRun, SHOWN_RUNS, type RunRow, type ShownRunRow } from './runs.table.js';

export interface RunLogRow {
  sequence: string;
  attempt: number;
  at: Date;
  level: RunLogLine['level'];
  message: string;
}

export class RunsService {
  constructor(
    private readonly database: TenantDatabase,
    private readonly outbox: Outbox,
    private readonly messaging: Messaging,
    private readonly ledger: RunLedger,
    private readonly pages: { runs: ListPages; log: ListPages },
    private readonly clock: Clock,
  ) {}

  /** Newest first. */
  async list(principal: Principal, query: RunQuery): Promise<Page<Run>> {
    const conditions = runConditions(principal, query, this.pages.runs.after(query.cursor));
    const ids = await foundIds(this.database, 'runs', conditions, { order: RUN_ORDER, limit: query.limit + 1 });
    const rows = await this.database.inOrganization(principal, (transaction) =>
      transaction.last.prepared<ShownRunRow>(`${SHOWN_RUNS} WHERE id = ANY ($1::text[]) ORDER BY ${RUN_ORDER}`, [ids]),
    );
    return this.pages.runs.page(rows, query.limit, presentRun, (row) => [row.due_at.toISOString(), row.id]);
  }

  async get(principal: Principal, id: string): Promise<Run> {
    return this.database.inOrganization(principal, (transaction) => this.getIn(transaction, id));
  }

  async getIn(transaction: Transaction, id: string): Promise<Run> {
    return presentRun(await findRun(transaction, id));
  }

  async log(principal: Principal, id: string, query: PageQuery): Promise<Page<RunLogLine>> {
    const [after = '0'] = this.pages.log.after(query.cursor);
    const rows = await this.database.inOrganization(principal, async (transaction) => {
      await findRun(transaction, id);
      return logAfter(transaction, id, after, query.limit + 1);
    });
    return this.pages.log.page(rows, query.limit, presentLogLine, (row) => [row.sequence]);
  }

  /** At once where no worker has it; else the worker is told, again and again until it stops. */
  async cancel(principal: Principal, id: string): Promise<Run> {
    const run = await this.database.inOrganization(principal, async (transaction) => {
      const row = await lockRun(transaction, id);
      if (!row) throw new RahatError('not_found', `There is no run ${id}`);
      const after = await this.cancelLocked(transaction, row, principal.name);
      if (after.state !== row.state || after.cancel_requested_at !== row.cancel_requested_at) {
        await recordAct(this.outbox, transaction, principal, {
          action: 'run.cancelled',
          target: { kind: 'run', id },
          details: { type: row.type, state: row.state },
        });
      }
      return after;
    });
    if (run.state === 'running' || run.dispatched_at) await this.messaging.signal('run.cancel', { run: id });
    return presentRun(run);
  }

  private async cancelLocked(transaction: Transaction, run: RunRow, by: string): Promise<RunRow> {
    const now = this.clock.now();
    switch (run.state) {
      case 'due':
      case 'queued':
        return (await this.ledger.move(transaction, run, 'cancelled', 'person', {
          cancel_requested_at: now,
          reasons: [`Cancelled by ${by} before it started.`],
          error: null,
        }))!;
      case 'running':
        if (run.cancel_requested_at) return run;
        await transaction.query(`UPDATE runs SET cancel_requested_at = $2 WHERE id = $1`, [run.id, now]);
        return { ...run, cancel_requested_at: now };
      case 'cancelled':
        return run;
      case 'expected':
        throw new RahatError('conflict', 'This run is only expected', { hint: 'Pause the plan, or change its schedule.' });
      case 'succeeded':
      case 'partial':
      case 'failed':
      case 'missed':
      case 'skipped':
        throw new RahatError('conflict', `This run is over: ${run.state}`);
    }
  }
}

export async function logAfter(transaction: Transaction, run: string, after: string, limit: number): Promise<RunLogRow[]> {
  return transaction.query<RunLogRow>(
    `SELECT sequence, attempt, at, level, message FROM run_logs WHERE run_id = $1 AND sequence > $2 ORDER BY sequence LIMIT $3`,
    [run, after, limit],
  );
}

export function presentLogLine(row: RunLogRow): RunLogLine {
  return { at: row.at.toISOString(), attempt: row.attempt, level: row.level, message: row.message };
}
