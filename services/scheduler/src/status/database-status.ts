import type { DatabaseStatus, Engine, RunError } from '@rahat/contracts';
import type { Proof } from '../verification/proof.js';

/** What is known of one database under one plan, or of one that no plan covers. */
export interface Protection {
  server: string;
  serverName: string;
  engine: Engine;
  database: string | null;
  databaseName: string;
  plan: { id: string; name: string; enabled: boolean } | null;
  /** Whole, undamaged backups that are still there; the newest of them. */
  backups: number;
  newest: { at: Date; consistentAt: Date; proof: Proof } | null;
  lastProvenAt: Date | null;
  nextRunAt: Date | null;
  /** The longest time between two backups that the schedules foresee, with the allowed delay. */
  allowedAgeMs: number | null;
  /** The newest scheduled time that has passed by more than the allowed delay. */
  lastDueAt: Date | null;
  failuresSinceSuccess: number;
  /** Why the last backup or verification failed; null when nothing failed since. */
  failure: RunError | null;
}

/** From what can be restored now, and never from what once ran well (libraries.md §3). */
export function statusOf(protection: Protection, now: Date): DatabaseStatus {
  return {
    server: protection.server,
    serverName: protection.serverName,
    database: protection.database,
    databaseName: protection.databaseName,
    plan: protection.plan?.id ?? null,
    planName: protection.plan?.name ?? null,
    state: stateOf(protection, protection.lastDueAt),
    lastBackupAt: protection.newest?.at.toISOString() ?? null,
    lastProvenAt: protection.lastProvenAt?.toISOString() ?? null,
    lastProof: protection.newest?.proof ?? null,
    backupAgeSeconds: secondsSince(protection.newest?.consistentAt, now),
    proofAgeSeconds: secondsSince(protection.lastProvenAt, now),
    allowedAgeSeconds: protection.allowedAgeMs === null ? null : Math.round(protection.allowedAgeMs / 1000),
    nextRunAt: protection.nextRunAt?.toISOString() ?? null,
    backups: protection.backups,
    failuresSinceSuccess: protection.failuresSinceSuccess,
    lastError: protection.failure
      ? { code: protection.failure.code, message: protection.failure.message, hint: protection.failure.hint }
      : null,
  };
}

export function secondsSince(moment: Date | null | undefined, now: Date): number | null {
  return moment ? Math.max(0, Math.round((now.getTime() - moment.getTime()) / 1000)) : null;
}

export function stateOf(
  protection: Pick<Protection, 'plan' | 'failure' | 'newest'>,
  lastDueAt: Protection['lastDueAt'],
): DatabaseStatus['state'] {
  if (!protection.plan) return 'unprotected';
  if (protection.failure) return 'failing';
  if (!protection.newest) return 'never';
  if (protection.plan.enabled && lastDueAt && protection.newest.at < lastDueAt) return 'overdue';
  return protection.newest.proof === 'FULL' ? 'proven' : 'stored';
}

const NEEDS_SOMEONE: ReadonlySet<DatabaseStatus['state']> = new Set(['failing', 'never', 'overdue']);

export type SummarizedDatabase = Pick<DatabaseStatus, 'serverName' | 'databaseName' | 'state' | 'lastBackupAt'>;

/** The one line that answers "can everything be restored?". */
export function summarize(databases: readonly SummarizedDatabase[], now: Date): { healthy: boolean; sentence: string } {
  const covered = databases.filter((database) => database.state !== 'unprotected');
  const uncovered = databases.length - covered.length;
  const remark = uncovered > 0 ? ` ${counted(uncovered)} no plan protects.` : '';
  if (covered.length === 0) return { healthy: false, sentence: `Nothing is protected yet: add a plan.${remark}` };
  const troubled = covered.filter((database) => NEEDS_SOMEONE.has(database.state));
  if (troubled.length > 0) {
    const named = troubled
      .slice(0, 3)
      .map((database) => `${database.serverName}/${database.databaseName} (${WORDS[database.state]})`)
      .join(', ');
    const others = troubled.length > 3 ? ` and ${troubled.length - 3} more` : '';
    return {
      healthy: false,
      sentence: `${troubled.length} of ${counted(covered.length)} ${troubled.length === 1 ? 'needs' : 'need'} you: ${named}${others}.${remark}`,
    };
  }
  // Written alike, they stand in the order of time; ten thousand of them take longer to read than all the rest.
  const oldest = Date.parse(
    covered.reduce((least, { lastBackupAt }) => (lastBackupAt! < least ? lastBackupAt! : least), covered[0]!.lastBackupAt!),
  );
  const proven = covered.filter((database) => database.state === 'proven').length;
  const rung =
    proven === covered.length
      ? 'proven by a test restore'
      : proven === 0
        ? 'not proven by a test restore yet'
        : `${proven} proven by a test restore`;
  const subject = covered.length === 1 ? 'The one protected database' : `All ${counted(covered.length)}`;
  return { healthy: true, sentence: `${subject} can be restored, ${rung}. Oldest copy: ${age(now.getTime() - oldest)}.${remark}` };
}

const WORDS: Record<DatabaseStatus['state'], string> = {
  failing: 'failing',
  never: 'no backup yet',
  overdue: 'overdue',
  proven: 'proven',
  stored: 'stored',
  unprotected: 'not protected',
};

function counted(databases: number): string {
  return databases === 1 ? '1 database' : `${databases} databases`;
}

function age(milliseconds: number): string {
  const minutes = Math.max(0, Math.floor(milliseconds / 60_000));
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h` : `${Math.floor(hours / 24)} days`;
}
