import type { CommandPayload } from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';
import type { PoolWorkers } from '../runs/admission/resources.js';

/** When it was heard counts by our clock, because theirs may differ. Gives whether the worker is new, or takes more or fewer runs than before. */
export async function recordWorker(
  transaction: Transaction,
  { worker, pool, slots, followers = 0 }: CommandPayload<'worker.alive.v1'>,
  now: Date,
): Promise<boolean> {
  const [row] = await transaction.query<{ changed: boolean }>(
    `WITH before AS (SELECT slots, followers FROM workers WHERE name = $1)
     INSERT INTO workers (name, pool, slots, followers, seen_at) VALUES ($1, $2, $3, $5, $4) ON CONFLICT (name) DO UPDATE SET pool = $2, slots = $3, followers = $5, seen_at = $4
     RETURNING (SELECT (slots, followers) FROM before) IS DISTINCT FROM ($3::integer, $5::integer) AS changed`,
    [worker, pool, slots, now, followers],
  );
  await transaction.query(`DELETE FROM workers WHERE seen_at < $1`, [new Date(now.getTime() - KEPT_MS)]);
  return row!.changed;
}

const KEPT_MS = 24 * 3_600_000;

export async function poolWorkers(transaction: Transaction, seenSince: Date): Promise<Map<string, PoolWorkers>> {
  const rows = await transaction.query<{ pool: string; alive: string; slots: string; followers: string }>(
    `SELECT pool, count(*) FILTER (WHERE slots > 0 AND seen_at >= $1) AS alive, COALESCE(sum(slots) FILTER (WHERE seen_at >= $1), 0) AS slots,
       COALESCE(sum(followers) FILTER (WHERE seen_at >= $1), 0) AS followers FROM workers GROUP BY pool`,
    [seenSince],
  );
  return new Map(rows.map((row) => [row.pool, { alive: Number(row.alive), slots: Number(row.slots), followers: Number(row.followers) }]));
}
