import { RahatError, type Page, type PageQuery, type Principal, type Run, type RunLogLine, type RunQuery } from '@rahat/contracts';
import type { Messaging, Outbox } from '@rahat/messaging';
import type { ServiceDatabase, Transaction } from '@rahat/persistence';
import type { Clock } from '../clock/clock.js';
import type { ListPages } from '../paging/list-page.js';
import { recordAct } from '../trail/trail.js';
import type { RunLedger } from './run-ledger.js';
import { findRun, lockRun, presentRun, type RunRow } from './runs.table.js';

export interface RunLogRow {
  sequence: string;
  attempt: number;
  at: Date;
  level: RunLogLine['level'];
  message: string;
}

export class RunsService {
  constructor(
    private readonly database: ServiceDatabase,
    private readonly outbox: Outbox,
    private readonly messaging: Messaging,
    private readonly ledger: RunLedger,
    private readonly pages: { runs: ListPages; log: ListPages },
    private readonly clock: Clock,
  ) {}

  /** Newest first. Expected runs are the future, and are listed only when asked for. */
  async list(principal: Principal, query: RunQuery): Promise<Page<Run>> {
    const [dueAt = null, id = null] = this.pages.runs.after(query.cursor);
    const rows = await this.database.inOrganization(principal.organization, (transaction) =>
      transaction.query<RunRow>(
        `SELECT * FROM runs WHERE ($1::timestamptz IS NULL OR (due_at, id) < ($1, $2)) AND ($3::text IS NULL OR type = $3) AND (CASE WHEN $4::text IS NULL THEN state <> 'expected' ELSE state = $4 END)
           AND ($5::text IS NULL OR server_id = $5) AND ($6::text IS NULL OR database_id = $6) AND ($7::text IS NULL OR plan_id = $7) AND ($8::text IS NULL OR backup_id = $8) AND ($9::text IS NULL OR repository_id = $9)
         ORDER BY due_at DESC, id DESC LIMIT $10`,
        [
          dueAt,
          id,
          query.type ?? null,
          query.state ?? null,
          query.server ?? null,
          query.database ?? null,
          query.plan ?? null,
          query.backup ?? null,
          query.repository ?? null,
          query.limit + 1,
        ],
      ),
    );
    return this.pages.runs.page(rows, query.limit, presentRun, (row) => [row.due_at.toISOString(), row.id]);
  }

  async get(principal: Principal, id: string): Promise<Run> {
    return presentRun(await this.database.inOrganization(principal.organization, (transaction) => findRun(transaction, id)));
  }

  async log(principal: Principal, id: string, query: PageQuery): Promise<Page<RunLogLine>> {
    const [after = '0'] = this.pages.log.after(query.cursor);
    const rows = await this.database.inOrganization(principal.organization, async (transaction) => {
      await findRun(transaction, id);
      return logAfter(transaction, id, after, query.limit + 1);
    });
    return this.pages.log.page(rows, query.limit, presentLogLine, (row) => [row.sequence]);
  }

  /** At once where no worker has it; else the worker is told, again and again until it stops. */
  async cancel(principal: Principal, id: string): Promise<Run> {
    const run = await this.database.inOrganization(principal.organization, async (transaction) => {
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
