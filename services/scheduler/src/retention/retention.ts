import { rankOf, type Proof } from '../verification/proof.js';

/** One backup of one line of backups: same plan, same database. */
export interface RetainedBackup {
  id: string;
  consistentAt: Date;
  state: 'succeeded' | 'partial';
  proof: Proof;
  /** A verification or restore reads it right now. */
  inUse: boolean;
}

export interface RetentionPolicy {
  keepLast: number;
  /** Floor: so many of the newest proven backups always stay. */
  keepProven: number;
  /** What counts as proven for this plan. */
  demanded: Proof;
}

export interface RetentionDecision {
  id: string;
  kept: boolean;
  reason: string;
}

/** Decides for one line of backups. Newest first in the answer; nothing goes that is not outlived by a newer proven backup. */
export function decideRetention(backups: readonly RetainedBackup[], policy: RetentionPolicy): RetentionDecision[] {
  const newestFirst = [...backups].sort((a, b) => b.consistentAt.getTime() - a.consistentAt.getTime() || (a.id < b.id ? 1 : -1));
  let usable = 0;
  let proven = 0;
  return newestFirst.map((backup) => {
    const newer = { usable, proven };
    if (isUsable(backup)) usable += 1;
    if (isProven(backup, policy)) proven += 1;
    const reason = reasonToKeep(backup, newer, policy);
    if (reason) return { id: backup.id, kept: true, reason };
    return { id: backup.id, kept: false, reason: `${newer.usable} newer backups are kept, ${newer.proven} of them proven` };
  });
}

function reasonToKeep(backup: RetainedBackup, newer: { usable: number; proven: number }, policy: RetentionPolicy): string | undefined {
  if (isUsable(backup) && newer.usable < policy.keepLast) return `one of the last ${policy.keepLast} backups`;
  if (isProven(backup, policy) && newer.proven < policy.keepProven) return `one of the last ${policy.keepProven} proven backups`;
  if (newer.proven === 0) return 'no newer backup is proven';
  // A damaged or partial backup fills no place, but may hold the only copy of something until enough whole ones followed.
  if (newer.usable < policy.keepLast) return `fewer than ${policy.keepLast} whole backups are newer`;
  if (backup.inUse) return 'it is being verified or restored';
  return undefined;
}

/** Damaged and partial backups stand for nothing when backups are counted. */
function isUsable(backup: RetainedBackup): boolean {
  return backup.state === 'succeeded' && backup.proof !== 'damaged';
}

function isProven(backup: RetainedBackup, policy: RetentionPolicy): boolean {
  return isUsable(backup) && rankOf(backup.proof) >= rankOf(policy.demanded);
}
