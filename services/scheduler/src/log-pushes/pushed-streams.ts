import { RahatError, type RunError } from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';
import type { LogStreamRow } from '../log-streams/log-streams.table.js';
import type { Pusher } from './log-push-tokens.js';

/** Where pushed log of a server goes, and the follower that takes it; there is none where no worker has begun. */
export interface PushedStream extends Pick<LogStreamRow, 'id' | 'organization_id' | 'server_id' | 'push_refused'> {
  pool: string;
  run: string | null;
  attempt: number | null;
}

export async function pushedStreamsOf(transaction: Transaction, { server }: Pusher): Promise<PushedStream[]> {
  const streams = await transaction.query<PushedStream>(
    `SELECT log_streams.id, log_streams.organization_id, log_streams.server_id, log_streams.push_refused, servers.pool, runs.id AS run, runs.attempt
       FROM log_streams JOIN servers ON servers.id = log_streams.server_id
         LEFT JOIN runs ON runs.type = 'follow' AND runs.stream_id = log_streams.id AND runs.state = 'running' AND runs.cancel_requested_at IS NULL
      WHERE log_streams.server_id = $1 AND log_streams.state = 'active' AND settings ->> 'way' = 'push' ORDER BY log_streams.id`,
    [server],
  );
  if (streams.length > 0) return streams;
  throw new RahatError('unavailable', 'No plan asks for the log of this server to be pushed', {
    hint: 'The server keeps its log, and pushes it again. Set "continuousLog.way" of a plan to "push", or turn archiving off.',
  });
}

interface HistoryRow {
  timeline: number;
  content: Buffer;
}

/** What helps to place a segment: where its timeline comes from. */
export async function historiesFor(transaction: Transaction, stream: string, timeline: number): Promise<HistoryRow[]> {
  return transaction.query<HistoryRow>(
    `SELECT timeline, content FROM pushed_histories WHERE stream_id = $1 AND timeline <= $2 ORDER BY timeline DESC LIMIT 2`,
    [stream, timeline],
  );
}

/** False when the very same was there. */
export async function keepHistory(
  transaction: Transaction,
  stream: PushedStream,
  { file, timeline, content, at }: { file: string; timeline: number; content: Buffer; at: Date },
): Promise<boolean> {
  const [kept] = await transaction.query(
    `INSERT INTO pushed_histories (stream_id, organization_id, server_id, timeline, content, pushed_at) VALUES ($1, $2, $3, $4, $5, $6)
       ON CONFLICT DO NOTHING RETURNING 1`,
    [stream.id, stream.organization_id, stream.server_id, timeline, content, at],
  );
  if (kept) return true;
  const [there] = await transaction.query<HistoryRow>(`SELECT content FROM pushed_histories WHERE stream_id = $1 AND timeline = $2`, [
    stream.id,
    timeline,
  ]);
  if (!there!.content.equals(content)) throw new RahatError('log_segment_differs', `${file} differs from what is kept of it`);
  return false;
}

/** What a server was refused last; the same again and again is one. True when it is new. */
export async function noteRefusal(
  transaction: Transaction,
  stream: PushedStream,
  file: string,
  error: RunError,
  at: Date,
): Promise<boolean> {
  const known = stream.push_refused;
  if (known?.file === file && known.error.code === error.code) return false;
  await transaction.query(`UPDATE log_streams SET push_refused = $2 WHERE id = $1`, [
    stream.id,
    JSON.stringify({ file, error, at: at.toISOString() }),
  ]);
  return true;
}

export async function forgetRefusal(transaction: Transaction, stream: PushedStream): Promise<void> {
  await transaction.query(`UPDATE log_streams SET push_refused = NULL WHERE id = $1 AND push_refused IS NOT NULL`, [stream.id]);
}
