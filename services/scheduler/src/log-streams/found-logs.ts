import { ContinuousLog, type FoundLog } from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';
import type { RunRow } from '../runs/runs.table.js';
import { recordRanges } from './committed-log.js';
import { slotOf } from './follow-order.js';
import type { LogStreamRow } from './log-streams.table.js';

const FOUND = 'Found in its repository.';

/** What repositories hold of logs, taken in; gives of how many streams. Under row security, and after the snapshots, which bring their servers along. */
export async function recordFoundLogs(transaction: Transaction, rebuild: RunRow, logs: readonly FoundLog[], now: Date): Promise<number> {
  let recorded = 0;
  for (const log of logs) {
    // Of another organization it is only where its repository was attached here.
    if (log.organization !== rebuild.organization_id && rebuild.attached_at === null) continue;
    const [server] = await transaction.query<{ id: string }>(
      `SELECT id FROM servers WHERE id = $1 OR identity = $2 ORDER BY id = $1 DESC, deleted_at IS NOT NULL, id LIMIT 1`,
      [log.server.id, log.server.identity],
    );
    if (!server) continue;
    recorded += 1;
    if (!rebuild.dry_run) await record(transaction, rebuild, log, server.id, now);
  }
  return recorded;
}

async function record(transaction: Transaction, rebuild: RunRow, log: FoundLog, server: string, now: Date): Promise<void> {
  // One that nobody follows; its slot, if there is one, is another installation's.
  await transaction.query(
    `INSERT INTO log_streams (id, organization_id, server_id, repository_id, slot, settings, state, stop_reason, identity, start_at, base_look_at, log_look_at, created_at, stopped_at)
     VALUES ($1, $2, $3, $4, $5, $6, 'stopped', $7, $8, $9, $9, $9, $9, $9) ON CONFLICT DO NOTHING`,
    [
      log.stream,
      rebuild.organization_id,
      server,
      rebuild.repository_id,
      slotOf(log.stream),
      JSON.stringify(ContinuousLog.parse({})),
      FOUND,
      log.server.identity,
      now,
    ],
  );
  const [stream] = await transaction.query<LogStreamRow>(`SELECT * FROM log_streams WHERE id = $1 AND repository_id = $2 FOR UPDATE`, [
    log.stream,
    rebuild.repository_id,
  ]);
  if (!stream) return;
  await recordRanges(transaction, stream, log.ranges);
  // A database that forgot the last commits follows on behind them.
  await transaction.query(
    `UPDATE log_streams SET committed_lsn = COALESCE((SELECT max(end_lsn) FROM log_ranges WHERE stream_id = $1 AND log_ranges.timeline = log_streams.timeline
         AND start_lsn <= committed_lsn AND end_lsn >= committed_lsn), committed_lsn),
       last_commit_at = (SELECT max(last_commit_at) FROM log_ranges WHERE stream_id = $1) WHERE id = $1`,
    [stream.id],
  );
}
