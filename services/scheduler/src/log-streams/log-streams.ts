import type { FollowEvidence, LogGapReason, RunProgress } from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { Transaction } from '@rahat/persistence';
import type { Clock } from '../clock/clock.js';
import type { Judgement } from '../runs/judgement.js';
import type { RunRow } from '../runs/runs.table.js';
import { recordOwnAct } from '../trail/trail.js';
import { recordCommitted, type Committed } from './committed-log.js';
import { lockStream, type LogStreamRow } from './log-streams.table.js';

const FIRST_PAUSE_MS = 15_000;
const LONGEST_PAUSE_MS = 10 * 60_000;
/** Who cancels a follower wants it to begin anew; who wants none pauses the plan. */
const PAUSE_AFTER_CANCEL_MS = 60_000;
/** After these the positions of the stream mean nothing any more: another stream begins. */
const ENDS_STREAM: ReadonlySet<LogGapReason> = new Set(['source_replaced', 'timeline_diverged']);

interface FoundGap {
  reason: LogGapReason;
  message: string;
  end?: string;
}

/** What followers tell, as far as their stream goes. */
export class LogStreams {
  constructor(
    private readonly outbox: Outbox,
    private readonly clock: Clock,
  ) {}

  /** `run` is the stream's follower, and its current attempt said so. */
  async committed(transaction: Transaction, run: RunRow, message: Committed): Promise<void> {
    if (run.stream_id !== message.stream) return;
    const stream = await lockStream(transaction, message.stream);
    const gaps = await recordCommitted(transaction, stream, message);
    if (stream.timeline === null) await this.beginAnew(transaction, stream, message);
    for (const { start, end } of gaps)
      await this.recordGap(transaction, { ...stream, committed_lsn: start }, run, {
        reason: 'segment_missing',
        message: `The log from ${start} to ${end} was not ${stream.settings.way === 'push' ? 'pushed: the server did not archive it, or removed it' : 'committed'}.`,
        end,
      });
    if (stream.timeline === null || gaps.length > 0) await this.lookAtBases(transaction, stream.id);
  }

  async progressed(transaction: Transaction, run: RunRow, { log, at }: Pick<RunProgress, 'log' | 'at'>): Promise<void> {
    if (!log || !run.stream_id) return;
    const seenAt = new Date(at);
    const behindSince = log.lagBytes === 0 ? null : new Date(seenAt.getTime() - (log.lagSeconds ?? 0) * 1000);
    await transaction.query(
      `UPDATE log_streams SET server_lsn = GREATEST(committed_lsn, $2::pg_lsn), seen_at = $3,
         behind_since = CASE WHEN $4::timestamptz IS NULL OR $5 THEN $4 ELSE LEAST(behind_since, $4) END WHERE id = $1`,
      [run.stream_id, log.serverLsn, seenAt, behindSince, log.lagSeconds !== undefined],
    );
  }

  /** The run of a follower is over. */
  async ended(transaction: Transaction, run: RunRow, judgement: Judgement): Promise<void> {
    const stream = await lockStream(transaction, run.stream_id!);
    const { end } = (run.evidence as FollowEvidence | null) ?? {};
    if (end?.reason === 'gap' && judgement.state === 'failed')
      await this.endedByGap(transaction, stream, run, { reason: end.gap, message: end.message });
    else if (judgement.state === 'failed')
      await this.startAfter(transaction, stream, Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(10, stream.failures)), 1);
    else await this.startAfter(transaction, stream, PAUSE_AFTER_CANCEL_MS, 0);
  }

  /** It may be what a stream waited for, and what earlier log is kept for no longer. */
  async baseRecorded(transaction: Transaction, server: string): Promise<void> {
    await transaction.query(`UPDATE log_streams SET base_look_at = $2, log_look_at = $2 WHERE server_id = $1 AND state <> 'stopped'`, [
      server,
      this.clock.now(),
    ]);
  }

  private async endedByGap(transaction: Transaction, stream: LogStreamRow, run: RunRow, gap: FoundGap): Promise<void> {
    await this.recordGap(transaction, stream, run, gap);
    const now = this.clock.now();
    if (ENDS_STREAM.has(gap.reason))
      await transaction.query(
        `UPDATE log_streams SET state = 'stopping', stop_reason = $2, drop_at = $3 WHERE id = $1 AND state = 'active'`,
        [stream.id, gap.message, now],
      );
    else
      await transaction.query(
        `UPDATE log_streams SET timeline = NULL, committed_lsn = NULL, behind_since = NULL, start_at = $2, failures = 0, base_look_at = $2 WHERE id = $1`,
        [stream.id, now],
      );
  }

  private async recordGap(transaction: Transaction, stream: LogStreamRow, run: RunRow, { reason, message, end }: FoundGap): Promise<void> {
    await transaction.query(
      `INSERT INTO log_gaps (stream_id, organization_id, server_id, reason, message, timeline, start_lsn, end_lsn, start_at, found_at, run_id)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
      [
        stream.id,
        stream.organization_id,
        stream.server_id,
        reason,
        message,
        stream.timeline,
        stream.committed_lsn,
        end ?? null,
        stream.last_commit_at,
        this.clock.now(),
        run.id,
      ],
    );
    await recordOwnAct(this.outbox, transaction, stream.organization_id, {
      action: 'log.gap_found',
      target: { kind: 'server', id: stream.server_id },
      details: { stream: stream.id, reason, message, position: stream.committed_lsn, run: run.id },
    });
  }

  /** Gaps that are open end where the log begins again, be it on another stream. */
  private async beginAnew(transaction: Transaction, stream: LogStreamRow, { ranges }: Committed): Promise<void> {
    const [first] = ranges;
    await transaction.query(
      `UPDATE log_gaps SET end_at = COALESCE($3::timestamptz, $4), end_lsn = CASE WHEN log_gaps.stream_id = $1 THEN $5::pg_lsn END FROM log_streams
       WHERE log_gaps.stream_id = log_streams.id AND log_streams.server_id = $2 AND log_streams.repository_id = $6 AND end_at IS NULL AND end_lsn IS NULL`,
      [stream.id, stream.server_id, first!.firstCommitAt ?? null, this.clock.now(), first!.start, stream.repository_id],
    );
  }

  private async lookAtBases(transaction: Transaction, stream: string): Promise<void> {
    await transaction.query(`UPDATE log_streams SET base_look_at = $2 WHERE id = $1`, [stream, this.clock.now()]);
  }

  private async startAfter(transaction: Transaction, stream: LogStreamRow, pauseMs: number, failures: 0 | 1): Promise<void> {
    await transaction.query(`UPDATE log_streams SET start_at = $2, failures = failures + $3 WHERE id = $1`, [
      stream.id,
      new Date(this.clock.now().getTime() + pauseMs),
      failures,
    ]);
  }
}
