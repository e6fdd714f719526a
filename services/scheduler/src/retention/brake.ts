import type { RetentionDecision } from './retention.js';

/** With every new backup one goes, or a few after proofs that came late. */
const USUAL = 3;
const MOST = 10;
const LARGEST_SHARE = 0.2;

export interface Brake {
  dropped: number;
  of: number;
}

/**
 * What a clock that jumped, an edited policy or proofs that failed for weeks would take away at once is not done before somebody
 * confirmed it: the numbers of one line of backups, when they are out of the ordinary.
 */
export function brakeOn(line: readonly RetentionDecision[]): Brake | undefined {
  const dropped = line.filter(({ verdict }) => verdict === 'dropped').length;
  const of = line.filter(({ verdict }) => verdict !== 'trashed').length;
  return dropped > USUAL && (dropped > MOST || dropped > of * LARGEST_SHARE) ? { dropped, of } : undefined;
}
