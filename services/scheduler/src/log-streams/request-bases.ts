import type { Outbox } from '@rahat/messaging';
import type { Transaction } from '@rahat/persistence';
import type { Clock } from '../clock/clock.js';
import type { PlanRow } from '../plans/plans.table.js';
import { needsBase } from '../recovery/ways.js';
import { activeRunOf, newBackupRun } from '../runs/backup-now.js';
import type { RunLedger } from '../runs/run-ledger.js';
import { recordOwnAct } from '../trail/trail.js';
import { basesIn, knownLogs, restorableBases } from './known-log.js';
import type { LogStreamRow } from './log-streams.table.js';

const STREAMS_AT_ONCE = 50;
/** While one is needed, and while none is. */
const LOOK_AGAIN_MS = 30_000;
const LOOK_LATER_MS = 10 * 60_000;
const AFTER_FAILURE_MS = 15 * 60_000;
const LONGEST_PAUSE_MS = 24 * 3_600_000;

/** Log that no base is in can't be replayed on anything: after a gap, and at the beginning, a base backup is made without anybody asking. */
export class RequestBases {
  constructor(
    private readonly outbox: Outbox,
    private readonly ledger: RunLedger,
    private readonly clock: Clock,
  ) {}

  async request(transaction: Transaction): Promise<void> {
    const now = this.clock.now();
    const streams = await transaction.query<LogStreamRow>(
      `SELECT * FROM log_streams WHERE state = 'active' AND base_look_at <= $1 ORDER BY base_look_at LIMIT ${STREAMS_AT_ONCE} FOR UPDATE SKIP LOCKED`,
      [now],
    );
    for (const known of await knownLogs(transaction, streams)) {
      const { stream, log } = known;
      const needed = log.tip !== null && needsBase(log, basesIn(known, await restorableBases(transaction, stream.server_id)));
      if (needed) await this.requestFor(transaction, stream, now);
      const nextMs = needed || log.tip === null ? LOOK_AGAIN_MS : LOOK_LATER_MS;
      await transaction.query(`UPDATE log_streams SET base_look_at = $2 WHERE id = $1`, [stream.id, new Date(now.getTime() + nextMs)]);
    }
  }

  /** Not more than one at a time, and after one that failed not at once again. */
  private async requestFor(transaction: Transaction, stream: LogStreamRow, now: Date): Promise<void> {
    const [plan] = await transaction.query<PlanRow>(`SELECT * FROM plans WHERE id = $1 AND enabled AND deleted_at IS NULL FOR UPDATE`, [
      stream.plan_id,
    ]);
    if (!plan) return;
    if (await activeRunOf(transaction, { plan: plan.id, server: stream.server_id, database: null, type: 'full' })) return;
    if (await this.isTooSoon(transaction, stream, now)) return;
    const run = await this.ledger.createDue(
      transaction,
      newBackupRun(plan, { server: stream.server_id, database: null }, { cause: 'reaction', type: 'full', dueAt: now }),
    );
    await recordOwnAct(this.outbox, transaction, stream.organization_id, {
      action: 'log.base_requested',
      target: { kind: 'server', id: stream.server_id },
      details: { stream: stream.id, plan: plan.id, run: run.id, reason: 'no base backup lies in the log that is followed' },
    });
  }

  /** Since the log began (again) some were made for it already, and failed, or did not come to lie in it: the next one waits longer each time. */
  private async isTooSoon(transaction: Transaction, stream: LogStreamRow, now: Date): Promise<boolean> {
    const [row] = await transaction.query<{ tries: string; last: Date | null }>(
      `SELECT count(*) AS tries, max(finished_at) AS last FROM runs WHERE plan_id = $1 AND server_id = $2 AND type = 'backup' AND cause = 'reaction'
         AND created_at >= COALESCE((SELECT max(found_at) FROM log_gaps WHERE stream_id = $3), $4)`,
      [stream.plan_id, stream.server_id, stream.id, stream.created_at],
    );
    const pauseMs = Math.min(LONGEST_PAUSE_MS, AFTER_FAILURE_MS * 2 ** Math.min(10, Number(row!.tries) - 1));
    return row!.last !== null && now.getTime() - row!.last.getTime() < pauseMs;
  }
}
