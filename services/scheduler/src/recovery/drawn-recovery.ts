import type { Recovery } from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';
import { findBackup } from '../backups/backups.table.js';
import type { RunRow } from '../runs/runs.table.js';
import { leafOf, mainWay, reachesAt, waysFrom } from './ways.js';
import { recoverableLogs } from './windows.service.js';

/** A test restore of a base with log goes to a second of its window that nobody chose. Drawn once for a run, so that each attempt proves the same. */
export async function drawnRecovery(
  transaction: Transaction,
  run: RunRow,
  random: () => number = Math.random,
): Promise<Recovery | undefined> {
  if (run.recovery) return run.recovery;
  if (run.type !== 'verification' || run.level !== 'FULL' || !run.backup_id || !run.server_id) return undefined;
  const recovery = await draw(transaction, run.server_id, run.backup_id, random);
  if (!recovery) return undefined;
  // Two ticks at once may both have found none.
  const [row] = await transaction.query<Pick<RunRow, 'recovery'>>(
    `UPDATE runs SET recovery = COALESCE(recovery, $2) WHERE id = $1 RETURNING recovery`,
    [run.id, JSON.stringify(recovery)],
  );
  return row?.recovery ?? undefined;
}

async function draw(transaction: Transaction, server: string, backup: string, random: () => number): Promise<Recovery | undefined> {
  const { repository_id } = await findBackup(transaction, backup);
  for (const { known, bases } of await recoverableLogs(transaction, server)) {
    if (known.stream.repository_id !== repository_id) continue;
    const base = bases.find(({ id }) => id === backup);
    const way = base && mainWay(waysFrom(base, known.log));
    const last = way && reachesAt(way);
    if (!last) continue;
    const first = base.at.getTime();
    const seconds = Math.floor((last.getTime() - first) / 1000);
    if (seconds < 1) continue;
    const time = new Date(first + Math.ceil(random() * seconds) * 1000);
    return { stream: known.stream.id, timeline: leafOf(way).timeline, target: { kind: 'time', time: time.toISOString(), inclusive: true } };
  }
  return undefined;
}
