import type { BackupType, RunType } from '@rahat/contracts';
import type { RunCause } from './runs.table.js';

const PLAN_DEFAULT = 50;
/** Somebody waits for a restore, and a restore may wait for the catalog; log backups are short and bound what can be lost, and the source waits for its follower; a proof may come later, and what nobody needs can lie for another while. */
const BY_TYPE: Record<RunType, number> = {
  restore: 10,
  backup: 50,
  verification: 70,
  collection: 80,
  rebuild: 20,
  follow: 15,
  comparison: 40,
};
const BY_BACKUP_TYPE: Record<BackupType, number> = { log: -15, incremental: -5, differential: -5, full: 0 };
const BY_PERSON = -20;

/** 1 = first, 100 = last: by the type of the run, shifted by its plan. */
export function priorityOf(run: { type: RunType; backup_type?: BackupType | null; cause: RunCause }, planPriority = PLAN_DEFAULT): number {
  const shift = (run.backup_type ? BY_BACKUP_TYPE[run.backup_type] : 0) + (run.cause === 'person' ? BY_PERSON : 0);
  return Math.min(100, Math.max(1, BY_TYPE[run.type] + shift + planPriority - PLAN_DEFAULT));
}
