import type { Backup, VerificationLevel } from '@rahat/contracts';
import type { Judgement } from '../runs/judgement.js';

export type Proof = Backup['proof'];

/** What the catalog knows of a backup's proof. `damagedBy` is the level that found the damage; only as thorough a success clears it. */
export interface ProofRecord {
  proof: Proof;
  damagedBy: VerificationLevel | null;
}

const RANK: Record<Proof, number> = { damaged: -1, stored: 0, BASIC: 1, DATABASE: 2, FULL: 3 };

/** Errors that say something about the backup itself, and not about the way to it. */
const DAMAGE_CODES = new Set([
  'repository_damaged',
  'repository_chunk_missing',
  'snapshot_not_found',
  'blob_not_found',
  'dump_invalid',
  'dump_truncated',
  'restore_mismatch',
]);

export function rankOf(proof: Proof): number {
  return RANK[proof];
}

/** The rung that a plan demands: its highest level, or being stored when it verifies nothing. */
export function demandedProof(levels: readonly VerificationLevel[]): Proof {
  return levels.reduce<Proof>((highest, level) => (RANK[level] > RANK[highest] ? level : highest), 'stored');
}

/** A verification that could not be done (server gone, storage unplugged) leaves the record as it was. */
export function proofAfter(record: ProofRecord, level: VerificationLevel, judgement: Judgement): ProofRecord {
  if (judgement.state === 'failed' && DAMAGE_CODES.has(judgement.error.code)) {
    const damagedBy = record.damagedBy && RANK[record.damagedBy] > RANK[level] ? record.damagedBy : level;
    return { proof: 'damaged', damagedBy };
  }
  // The copy is exact, and not what its owner needs: nothing to restore from with a quiet mind, and yet not damaged.
  if (judgement.state === 'failed' && judgement.error.code === 'assertion_failed')
    return record.proof === 'FULL' ? { proof: 'DATABASE', damagedBy: null } : record;
  if (judgement.state !== 'succeeded') return record;
  if (record.damagedBy && RANK[level] < RANK[record.damagedBy]) return record;
  return { proof: RANK[level] > RANK[record.proof] ? level : record.proof, damagedBy: null };
}
