import { rankOf, type Proof } from '../verification/proof.js';
import type { RetentionDecision } from './retention.js';

/** With every new backup one goes, or a few after proofs that came late. */
const USUAL = 3;
const MOST = 10;
const LARGEST_SHARE = 0.2;

export interface Brake {
  dropped: number;
  of: number;
}

interface Decided {
  row: { proof: Proof; was_found: boolean };
  decision: Pick<RetentionDecision, 'verdict'>;
}

/**
 * What would go at once of one line of backups, when that is out of the ordinary: it isn't done before somebody confirmed it. Backups
 * that are not proven don't count: they only waited for a newer one to be proven, which a weekly test restore does for seven at once.
 * Of those that a rebuild of the catalog found nobody knows any more whether they were proven.
 */
export function brakeOn(line: readonly Decided[], demanded: Proof): Brake | undefined {
  const counting = line.filter(({ row }) => row.was_found || rankOf(row.proof) >= rankOf(demanded));
  const { dropped, of } = weighed(counting);
  return dropped > USUAL && (dropped > MOST || dropped > of * LARGEST_SHARE) ? weighed(line) : undefined;
}

/** The same of a whole plan that was edited, proven or not: three backups of each of a thousand databases are many, too. */
export function planBrakeOn(lines: readonly (readonly Decided[])[]): Brake | undefined {
  const brake = weighed(lines.flat());
  return brake.dropped > USUAL && brake.dropped > brake.of * LARGEST_SHARE ? brake : undefined;
}

function weighed(decided: readonly Decided[]): Brake {
  return {
    dropped: decided.filter(({ decision }) => decision.verdict === 'dropped').length,
    of: decided.filter(({ decision }) => decision.verdict !== 'trashed').length,
  };
}
