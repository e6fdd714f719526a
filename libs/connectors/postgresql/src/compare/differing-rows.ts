import type { Job } from '@rahat/connector-kit';
import { RowCursor } from './row-cursor.js';
import { UnmatchedRows, type UnmatchedOptions } from './unmatched-rows.js';

/**
 * Tells the differences of two sets of rows. No order is needed and none is assumed – neither the order of bytes nor that of a
 * collation: equal rows cancel each other out wherever they stand. Where they stand in the same order, which the same table
 * mostly has, they cancel out as they come, and memory holds the rows that differ or moved.
 */
export async function differingRows(
  older: AsyncIterable<Buffer>,
  newer: AsyncIterable<Buffer>,
  options: UnmatchedOptions,
  job: Job,
): Promise<void> {
  await using left = new RowCursor(older);
  await using right = new RowCursor(newer);
  await using unmatched = new UnmatchedRows(options);
  const { key, sink } = options;
  for (;;) {
    if (!left.ready || !right.ready) {
      job.signal.throwIfAborted();
      await sink.drain();
      if (unmatched.isTooLarge) await unmatched.spill();
      const [anyLeft, anyRight] = await bothMore(left, right);
      if (!anyLeft || !anyRight) break;
    }
    RowCursor.skipEqual(left, right);
    if (!left.ready || !right.ready) continue;
    const [a, b] = [left.row(), right.row()];
    // One side lags behind the other by what was put in or left out: it alone goes on until both stand at the same row again.
    if (unmatched.take('newer', a)) left.skipRow();
    else if (unmatched.take('older', b)) right.skipRow();
    else {
      if (key && key(a) === key(b)) sink.changed(a, b);
      else {
        unmatched.add('older', a);
        unmatched.add('newer', b);
      }
      left.skipRow();
      right.skipRow();
    }
  }
  await takeRest(left, 'older', unmatched, job);
  await takeRest(right, 'newer', unmatched, job);
  await unmatched.finish();
}

/** Both wait at the same time. */
async function bothMore(left: RowCursor, right: RowCursor): Promise<[boolean, boolean]> {
  const [one, other] = await Promise.allSettled([left.more(), right.more()]);
  if (one.status === 'rejected') throw one.reason;
  if (other.status === 'rejected') throw other.reason;
  return [one.value, other.value];
}

async function takeRest(cursor: RowCursor, side: 'older' | 'newer', unmatched: UnmatchedRows, job: Job): Promise<void> {
  const other = side === 'older' ? 'newer' : 'older';
  while (await cursor.more()) {
    job.signal.throwIfAborted();
    while (cursor.ready) {
      const row = cursor.row();
      if (!unmatched.take(other, row)) unmatched.add(side, row);
      cursor.skipRow();
    }
    if (unmatched.isTooLarge) await unmatched.spill();
  }
}
