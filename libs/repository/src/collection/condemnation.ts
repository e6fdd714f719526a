import type { KnownPack } from '../index/repository-index.js';
import type { CondemnationReason } from './collection-files.js';

export interface PackSituation {
  number: number;
  pack: KnownPack;
  liveBytes: number;
  /** Stored long enough ago that no session at work may have put it. */
  old: boolean;
  condemned: boolean;
  /** Whether its chunks can be copied: recipes always, data with the master key only. */
  copyable: boolean;
}

export interface Candidate {
  number: number;
  pack: KnownPack;
  liveBytes: number;
  reason: CondemnationReason;
}

/** repository.md §8: under this share of live bytes a pack is worth rewriting. */
const SPARSE_SHARE = 0.5;
/** A pack under this share of the usual size is small; so many small ones are worth merging. */
const SMALL_SHARE = 0.25;
export const SMALL_PACKS_TO_MERGE = 8;

/** Less than half of it is needed. */
export function isSparse({ pack, liveBytes }: Pick<PackSituation, 'pack' | 'liveBytes'>): boolean {
  return liveBytes < pack.plainLengths.reduce((sum, length) => sum + length, 0) * SPARSE_SHARE;
}

/** Which packs a collection wants to be rid of. Pure. */
export function chooseCandidates(packs: Iterable<PackSituation>, packSizeBytes: number): Candidate[] {
  const candidates: Candidate[] = [];
  const small: Candidate[] = [];
  for (const { number, pack, liveBytes, old, condemned, copyable } of packs) {
    if (!old || condemned) continue;
    if (liveBytes === 0) candidates.push({ number, pack, liveBytes, reason: 'dead' });
    else if (!copyable) continue;
    else if (isSparse({ pack, liveBytes })) candidates.push({ number, pack, liveBytes, reason: 'sparse' });
    else if (pack.sizeBytes < packSizeBytes * SMALL_SHARE) small.push({ number, pack, liveBytes, reason: 'small' });
  }
  for (const ofKind of Map.groupBy(small, ({ pack }) => pack.kind).values()) {
    if (ofKind.length >= SMALL_PACKS_TO_MERGE) candidates.push(...ofKind);
  }
  return candidates;
}
