import { COLLECTOR } from '../collection/pack-copier.js';
import { REPAIR_WRITER } from '../repair/repair-index.js';
import type { Distrusted } from './distrust-report.js';

/** What one index segment says of packs; each statement by its digest (`packStatement`). */
export interface SegmentClaims {
  writer: string;
  statements: ReadonlyMap<string, string>;
}

/** By the name of the segment's file. */
export type Claims = ReadonlyMap<string, SegmentClaims>;

/** They say what footers said, whoever had written these. */
const REPEATERS: ReadonlySet<string> = new Set([COLLECTOR, REPAIR_WRITER]);

export function isDistrusted(writer: string, whom: Distrusted): boolean {
  return whom === 'everyone' || writer === whom.writer;
}

/** Pure: packs that the others who wrote them vouch for, all in the same words, with these. */
export function vouchedPacks(claims: Claims, whom: Distrusted): Map<string, string> {
  const vouched = new Map<string, string>();
  const disputed = new Set<string>();
  for (const { writer, statements } of claims.values()) {
    if (isDistrusted(writer, whom) || REPEATERS.has(writer)) continue;
    for (const [pack, statement] of statements) {
      if ((vouched.get(pack) ?? statement) !== statement) disputed.add(pack);
      vouched.set(pack, statement);
    }
  }
  for (const pack of disputed) vouched.delete(pack);
  return vouched;
}

/** What is known of a pack in the end: a statement that was proven or vouched for, or that it lies. */
export type PackTruth = { state: 'true'; statement: string } | { state: 'lying' };

export interface ClaimsJudgement {
  /** Segments that can't stay. */
  dropped: string[];
  /** Packs that must be named anew, because no segment that stays does. */
  rewritten: string[];
}

/**
 * Pure. Packs without a truth are gone from the storage, or came after it was looked at. `condemned` ones that nobody names any more
 * are about to be deleted by a collection, and are left to it.
 */
export function judgeClaims(
  claims: Claims,
  truths: ReadonlyMap<string, PackTruth>,
  { whom, condemned }: { whom: Distrusted; condemned: ReadonlySet<string> },
): ClaimsJudgement {
  const contradicts = ([pack, statement]: [string, string]): boolean => {
    const truth = truths.get(pack);
    return truth !== undefined && (truth.state === 'lying' || truth.statement !== statement);
  };
  const dropped: string[] = [];
  const named = new Set<string>();
  const stillNamed = new Set<string>();
  for (const [segment, { writer, statements }] of claims) {
    const isDropped = isDistrusted(writer, whom) || [...statements].some(contradicts);
    if (isDropped) dropped.push(segment);
    for (const pack of statements.keys()) (isDropped ? named : stillNamed).add(pack);
  }
  const proven = [...truths].filter(([, { state }]) => state === 'true').map(([pack]) => pack);
  return { dropped, rewritten: proven.filter((pack) => !stillNamed.has(pack) && (named.has(pack) || !condemned.has(pack))) };
}
