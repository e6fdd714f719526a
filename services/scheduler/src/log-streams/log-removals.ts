import { lsnText, QUEUES, type CommandPayload } from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { Transaction } from '@rahat/persistence';
import type { Clock } from '../clock/clock.js';
import { cutsOf } from '../recovery/cuts.js';
import { recordOwnAct } from '../trail/trail.js';
import { basesIn, basesWithLog, knownLogs } from './known-log.js';
import { lockStream, type LogRangeRow, type LogStreamRow } from './log-streams.table.js';

const STREAMS_AT_ONCE = 20;
const LOOK_AGAIN_MS = 3_600_000;
const AFTER_BUSY_MS = 10 * 60_000;
const ANSWER_LIMIT_MS = 6 * 3_600_000;
const AFTER_ERROR_MS = 10 * 60_000;

/** Takes log away that no base needs which is kept or can still be brought back: into the trash of its repository, as backups go. */
export class LogRemovals {
  constructor(
    private readonly outbox: Outbox,
    private readonly clock: Clock,
  ) {}

  async look(transaction: Transaction): Promise<void> {
    const now = this.clock.now();
    const streams = await transaction.query<LogStreamRow>(
      `SELECT * FROM log_streams WHERE log_look_at <= $1 ORDER BY log_look_at LIMIT ${STREAMS_AT_ONCE} FOR UPDATE SKIP LOCKED`,
      [now],
    );
    for (const known of await knownLogs(transaction, streams)) {
      const { stream, log, rows } = known;
      // One that is under way lies in log that nothing in the catalog asks for yet.
      const busy = await hasBackupUnderWay(transaction, stream.server_id);
      const cuts = busy ? [] : cutsOf(log, basesIn(known, await basesWithLog(transaction, stream.server_id)));
      for (const { range, at } of cuts) await this.cut(transaction, stream, rows[log.ranges.indexOf(range)]!, lsnText(at));
      await transaction.query(
        `UPDATE log_streams SET log_look_at = CASE WHEN state = 'stopped' AND NOT EXISTS (SELECT 1 FROM log_ranges WHERE stream_id = $1) THEN 'infinity' ELSE $2::timestamptz END WHERE id = $1`,
        [stream.id, new Date(now.getTime() + (busy ? AFTER_BUSY_MS : LOOK_AGAIN_MS))],
      );
    }
    await this.askAgain(transaction, now);
  }

  async removed(transaction: Transaction, message: CommandPayload<'log.removed.v1'>): Promise<void> {
    const stream = await lockStream(transaction, message.stream);
    const range = [stream.id, message.timeline, message.end];
    if (message.error) {
      await transaction.query(
        `UPDATE log_ranges SET cut_error = $4, cut_retry_at = $5 WHERE stream_id = $1 AND timeline = $2 AND cut_lsn = $3::pg_lsn`,
        [...range, JSON.stringify(message.error), new Date(this.clock.now().getTime() + AFTER_ERROR_MS)],
      );
      return;
    }
    const gone = await transaction.query(
      `DELETE FROM log_ranges WHERE stream_id = $1 AND timeline = $2 AND cut_lsn = $3::pg_lsn AND end_lsn = cut_lsn RETURNING 1`,
      range,
    );
    const cut = await transaction.query(
      `UPDATE log_ranges SET start_lsn = cut_lsn, first_commit_at = NULL, cut_lsn = NULL, cut_retry_at = NULL, cut_error = NULL
       WHERE stream_id = $1 AND timeline = $2 AND cut_lsn = $3::pg_lsn RETURNING 1`,
      range,
    );
    if (gone.length + cut.length > 0)
      await recordOwnAct(this.outbox, transaction, stream.organization_id, {
        action: 'log.removed',
        target: { kind: 'server', id: stream.server_id },
        details: { stream: stream.id, timeline: message.timeline, before: message.end, commits: message.removed },
      });
  }

  private async cut(transaction: Transaction, stream: LogStreamRow, row: LogRangeRow, at: string): Promise<void> {
    await transaction.query(
      `UPDATE log_ranges SET cut_lsn = $4::pg_lsn, cut_retry_at = $5 WHERE stream_id = $1 AND timeline = $2 AND start_lsn = $3::pg_lsn`,
      [stream.id, row.timeline, row.start_lsn, at, new Date(this.clock.now().getTime() + ANSWER_LIMIT_MS)],
    );
    await this.command(transaction, stream, { timeline: row.timeline, before: row.start_lsn, end: at });
  }

  /** Removals that failed, or whose answer never came. */
  private async askAgain(transaction: Transaction, now: Date): Promise<void> {
    const due = await transaction.query<LogRangeRow & { cut_lsn: string }>(
      `UPDATE log_ranges SET cut_retry_at = $2 WHERE cut_lsn IS NOT NULL AND cut_retry_at <= $1 RETURNING *`,
      [now, new Date(now.getTime() + ANSWER_LIMIT_MS)],
    );
    for (const { stream_id, timeline, start_lsn, cut_lsn } of due)
      await this.command(transaction, await lockStream(transaction, stream_id), { timeline, before: start_lsn, end: cut_lsn });
  }

  private async command(
    transaction: Transaction,
    { organization_id: organization, repository_id: repository, id: stream }: LogStreamRow,
    { timeline, before, end }: { timeline: number; before: string; end: string },
  ): Promise<void> {
    // From where other log of the timeline ends: so what an earlier removal left goes along.
    const [other] = await transaction.query<{ start: string | null }>(
      `SELECT max(end_lsn) AS start FROM log_ranges WHERE stream_id = $1 AND timeline = $2 AND end_lsn <= $3::pg_lsn`,
      [stream, timeline, before],
    );
    const range = { timeline, start: other?.start ?? '0/0', end };
    await this.outbox.command(transaction, QUEUES.storage, 'log.remove.v1', { organization, repository, stream, ...range });
  }
}

async function hasBackupUnderWay(transaction: Transaction, server: string): Promise<boolean> {
  const [run] = await transaction.query(
    `SELECT 1 FROM runs WHERE type = 'backup' AND server_id = $1 AND method = 'postgresql.physical' AND state IN ('due', 'queued', 'running') LIMIT 1`,
    [server],
  );
  return run !== undefined;
}
