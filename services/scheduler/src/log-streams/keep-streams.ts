import { METHODS, newId, type BackupMethod } from '@rahat/contracts';
import type { Messaging, Outbox } from '@rahat/messaging';
import type { Transaction } from '@rahat/persistence';
import type { Clock } from '../clock/clock.js';
import { serversOf } from '../plans/plan-servers.js';
import type { PlanRow } from '../plans/plans.table.js';
import type { RunLedger } from '../runs/run-ledger.js';
import { lockRun, type RunRow } from '../runs/runs.table.js';
import { recordOwnAct } from '../trail/trail.js';
import { decideStreams, type StreamDecisions, type WantedLog } from './decide-streams.js';
import { slotOf } from './follow-order.js';
import type { LogStreamRow } from './log-streams.table.js';

const FOLLOWERS_AT_ONCE = 100;

/** Brings streams and their followers to what plans ask for, whatever a crash or a queue lost of it. One replica at a time does this. */
export class KeepStreams {
  constructor(
    private readonly outbox: Outbox,
    private readonly messaging: Messaging,
    private readonly ledger: RunLedger,
    private readonly slotKeptMs: number,
    private readonly clock: Clock,
  ) {}

  async keep(transaction: Transaction): Promise<void> {
    const known = await transaction.query<LogStreamRow>(`SELECT * FROM log_streams WHERE state <> 'stopped' ORDER BY id`);
    const wanted = await wantedLogs(transaction);
    const now = this.clock.now();
    const decisions = decideStreams(wanted, known, now, this.slotKeptMs);
    for (const stop of decisions.stop)
      await this.stop(
        transaction,
        known.find(({ id }) => id === stop.stream)!,
        stop,
      );
    for (const { stream, wanted: log } of decisions.resume) {
      await transaction.query(
        `UPDATE log_streams SET state = 'active', stop_reason = NULL, drop_at = NULL, plan_id = $2, settings = $3, start_at = $4, failures = 0 WHERE id = $1`,
        [stream, log.plan, JSON.stringify(log.settings), now],
      );
    }
    for (const change of decisions.change) await this.change(transaction, change);
    for (const log of decisions.start) await this.start(transaction, log, now);
    await this.startFollowers(transaction, now);
  }

  private async start(transaction: Transaction, { server, repository, plan, settings }: WantedLog, now: Date): Promise<void> {
    const id = newId('logStream');
    const [stream] = await transaction.query<{ organization_id: string }>(
      `INSERT INTO log_streams (id, organization_id, server_id, repository_id, plan_id, slot, settings, state, start_at, base_look_at, log_look_at, created_at)
       SELECT $1, organization_id, id, $3, $4, $5, $6, 'active', $7, $7, $7, $7 FROM servers WHERE id = $2 RETURNING organization_id`,
      [id, server, repository, plan, slotOf(id), JSON.stringify(settings), now],
    );
    await recordOwnAct(this.outbox, transaction, stream!.organization_id, {
      action: 'log.stream_started',
      target: { kind: 'server', id: server },
      details: { stream: id, plan, repository, slot: slotOf(id) },
    });
  }

  private async stop(transaction: Transaction, stream: LogStreamRow, { reason, dropAt }: StreamDecisions['stop'][number]): Promise<void> {
    await transaction.query(
      `UPDATE log_streams SET state = 'stopping', stop_reason = $2, drop_at = $3, behind_since = NULL WHERE id = $1`,
      [stream.id, reason, dropAt],
    );
    await recordOwnAct(this.outbox, transaction, stream.organization_id, {
      action: 'log.stream_stopped',
      target: { kind: 'server', id: stream.server_id },
      details: { stream: stream.id, reason, slotDroppedAt: dropAt.toISOString() },
    });
    const run = await followerOf(transaction, stream.id);
    if (!run) return;
    if (run.state === 'running')
      await transaction.query(
        `UPDATE runs SET cancel_requested_at = $2, cancel_reason = $3 WHERE id = $1 AND cancel_requested_at IS NULL`,
        [run.id, this.clock.now(), reason],
      );
    else await this.ledger.move(transaction, run, 'cancelled', 'tick', { reasons: [reason], error: null });
  }

  private async change(transaction: Transaction, { stream, wanted }: StreamDecisions['change'][number]): Promise<void> {
    await transaction.query(`UPDATE log_streams SET plan_id = $2, settings = $3 WHERE id = $1`, [
      stream,
      wanted.plan,
      JSON.stringify(wanted.settings),
    ]);
    const run = await followerOf(transaction, stream);
    // Not cancelled: it gives the stream back, and the next attempt is told what is new.
    if (run?.dispatched_at) transaction.afterCommit(() => void this.messaging.signal('run.cancel', { run: run.id, attempt: run.attempt }));
  }

  private async startFollowers(transaction: Transaction, now: Date): Promise<void> {
    const idle = await transaction.query<LogStreamRow & { method: BackupMethod }>(
      `SELECT log_streams.*, plans.method FROM log_streams JOIN plans ON plans.id = log_streams.plan_id WHERE state = 'active' AND start_at <= $1
         AND NOT EXISTS (SELECT 1 FROM runs WHERE type = 'follow' AND stream_id = log_streams.id AND runs.state IN ('due', 'queued', 'running'))
       ORDER BY start_at LIMIT ${FOLLOWERS_AT_ONCE}`,
      [now],
    );
    for (const stream of idle)
      await this.ledger.createDue(transaction, {
        organization_id: stream.organization_id,
        type: 'follow',
        cause: 'reaction',
        plan_id: stream.plan_id,
        server_id: stream.server_id,
        method: stream.method,
        repository_id: stream.repository_id,
        stream_id: stream.id,
        max_attempts: 1,
        deadline_minutes: 0,
        due_at: now,
      });
  }
}

/** Locked, so that what is decided about it is true of it. */
async function followerOf(transaction: Transaction, stream: string): Promise<RunRow | undefined> {
  const [run] = await transaction.query<{ id: string }>(
    `SELECT id FROM runs WHERE type = 'follow' AND stream_id = $1 AND state IN ('due', 'queued', 'running')`,
    [stream],
  );
  const locked = run && (await lockRun(transaction, run.id));
  return locked && ['due', 'queued', 'running'].includes(locked.state) ? locked : undefined;
}

async function wantedLogs(transaction: Transaction): Promise<WantedLog[]> {
  const plans = await transaction.query<PlanRow>(`SELECT * FROM plans WHERE continuous_log IS NOT NULL AND deleted_at IS NULL ORDER BY id`);
  const wanted: WantedLog[] = [];
  for (const plan of plans.filter(({ method }) => METHODS[method].log))
    for (const server of await serversOf(transaction, plan))
      wanted.push({
        server: server.id,
        repository: plan.repository_id,
        plan: plan.id,
        settings: plan.continuous_log!,
        pausedAt: plan.enabled ? null : new Date(plan.pause?.at ?? plan.created_at),
      });
  return wanted;
}
