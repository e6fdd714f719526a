import { lsnText, METHODS, RahatError, type CreateRestorePlan, type RecoveryOutline, type RecoveryTarget } from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';
import { findBackup } from '../backups/backups.table.js';
import { mistaken } from '../input/mistake.js';
import { reach } from '../recovery/reachable.js';
import { leafOf, reachesAt } from '../recovery/ways.js';
import { windowsOf } from '../recovery/windows.js';
import { type RecoverableLog, recoverableLogs } from '../recovery/windows.service.js';
import { findServer } from '../servers/servers.table.js';

export interface ChosenRecovery {
  backup: string;
  recovery: RecoveryOutline;
}

/** The base and the way by which a target is reached; refused with what can be reached where there is none. */
export async function chooseRecovery(
  transaction: Transaction,
  request: Pick<CreateRestorePlan, 'backup' | 'server' | 'timeline'>,
  target: RecoveryTarget,
): Promise<ChosenRecovery> {
  const backup = request.backup === undefined ? undefined : await findBackup(transaction, request.backup);
  if (backup && !METHODS[backup.method].log)
    throw mistaken({ pointer: '/recovery', message: 'no log can be replayed on a backup of this method' });
  if (!backup && request.server === undefined)
    throw mistaken({ pointer: '/backup', message: 'give a backup, or with recovery the server whose moment is wanted' });
  if (!backup && (target.kind === 'transaction' || target.kind === 'name'))
    throw mistaken({
      pointer: '/backup',
      message: `name the backup from which the ${target.kind} is looked for: only the replay finds it`,
    });
  const server = backup?.server_id ?? (await findServer(transaction, request.server!)).id;
  const logs = (await recoverableLogs(transaction, server)).filter(
    ({ known }) => !backup || known.stream.repository_id === backup.repository_id,
  );
  const reached = logs.flatMap(({ known, bases }) => {
    const from = backup ? bases.filter(({ id }) => id === backup.id) : bases;
    const found = reach(known.log, from, { target, timeline: request.timeline });
    return found ? [{ stream: known.stream.id, ...found }] : [];
  });
  const best = reached.sort((a, b) => b.base.at.getTime() - a.base.at.getTime())[0];
  if (!best) throw unreachable(target, logs, backup?.id);
  const { stream, base, way } = best;
  return {
    backup: base.id,
    recovery: {
      stream,
      target,
      timeline: leafOf(way).timeline,
      from: lsnText(base.start),
      reachesAt: (reachesAt(way) ?? base.at).toISOString(),
    },
  };
}

function unreachable(target: RecoveryTarget, logs: readonly RecoverableLog[], backup: string | undefined): RahatError {
  const windows = logs.flatMap(({ known, bases }) => windowsOf(known.log, backup ? bases.filter(({ id }) => id === backup) : bases));
  const reachable = windows
    .sort((a, b) => a.from.getTime() - b.from.getTime())
    .map(
      ({ from, to, way }) =>
        `${from.toISOString()} to ${to.toISOString()} (timeline ${leafOf(way).timeline}, up to ${lsnText(way.at(-1)!.end)})`,
    );
  const wanted = target.kind === 'time' ? target.time : target.kind === 'lsn' ? target.lsn : target.kind;
  return new RahatError('recovery_target_unreachable', `${wanted} cannot be recovered${backup ? ` from ${backup}` : ''}`, {
    hint:
      reachable.length === 0 ? 'Nothing can: no base backup lies in log that is kept.' : `What can be recovered: ${reachable.join('; ')}.`,
  });
}
