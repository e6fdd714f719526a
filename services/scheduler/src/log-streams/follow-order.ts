import { FollowOrder } from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';
import type { LogStreamRow } from './log-streams.table.js';

/** What the next follower of a stream is told. It goes on behind what the ledger accepted: what else lies in the repository overlaps with that. */
export async function followOrderOf(transaction: Transaction, stream: string): Promise<FollowOrder> {
  const [row] = await transaction.query<LogStreamRow>(`SELECT * FROM log_streams WHERE id = $1`, [stream]);
  const { id, repository_id, slot, timeline, committed_lsn, identity, settings } = row!;
  return FollowOrder.parse({
    stream: id,
    repository: repository_id,
    slot,
    ...(timeline === null || committed_lsn === null ? {} : { from: { timeline, lsn: committed_lsn } }),
    ...(identity === null ? {} : { identity }),
    ...settings,
  });
}

/** Of a stream; no other one has it. */
export function slotOf(stream: string): string {
  return stream.replace(/^stream_/, 'rhb_');
}
