import type { BackupType } from '@rahat/contracts';
import type { BackupRow } from '../backups/backups.table.js';

/** A backup of the same plan, server and repository that is kept, as far as it matters to what is taken upon it. */
export interface Candidate {
  snapshot: string;
  type: BackupType;
  state: BackupRow['state'];
  proof: BackupRow['proof'];
  /** Snapshot that it is restored upon. */
  parent: string | null;
  /** Identity of the server that it is of. */
  system: string | null;
  consistentAt: Date;
}

export type ParentChoice = { parent: string } | { fullBecause: string };

/** A longer chain costs a restore more than a full backup costs the source; at one an hour it lasts two and a half days. */
export const MOST_LINKS = 60;

/**
 * What an incremental backup (the last one) or a differential one (the last full one) is taken upon. It must be whole and undamaged, with
 * all that it rests upon itself; else a full one is due. Whether timelines fit only the server knows.
 */
export function chooseParent(
  type: 'incremental' | 'differential',
  newestFirst: readonly Candidate[],
  identity: string | null,
): ParentChoice {
  const wanted = newestFirst.find((candidate) => type === 'incremental' || candidate.type === 'full');
  if (!wanted)
    return {
      fullBecause: `there is no ${type === 'incremental' ? 'earlier' : 'full'} backup of this server by this plan in this repository yet`,
    };
  const bySnapshot = new Map(newestFirst.map((candidate) => [candidate.snapshot, candidate]));
  let link: Candidate | undefined = wanted;
  for (let links = 1; ; links++) {
    if (!link) return { fullBecause: `the backup of ${wanted.consistentAt.toISOString()} rests upon one that is not kept any more` };
    const obstacle = obstacleIn(link, identity);
    if (obstacle !== undefined)
      return { fullBecause: `the backup of ${link.consistentAt.toISOString()}, upon which it would rest, ${obstacle}` };
    if (links === MOST_LINKS) return { fullBecause: `${MOST_LINKS} backups rest upon each other already` };
    if (link.parent === null) return { parent: wanted.snapshot };
    link = bySnapshot.get(link.parent);
  }
}

function obstacleIn({ state, proof, system }: Candidate, identity: string | null): string | undefined {
  if (state !== 'succeeded') return 'is not complete';
  if (proof === 'damaged') return 'is damaged';
  return identity !== null && system !== identity ? 'is of another server than the one that stands there now' : undefined;
}
