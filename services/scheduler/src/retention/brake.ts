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
  decision: Pick<RetentionDecision, 'verdict'>;
}

/**
 * What a clock that jumped, an edited policy or proofs that failed for weeks would take away at once is not done before somebody
 * confirmed it: the numbers of one line of backups, when they are out of the ordinary.
 */
export function brakeOn(line: readonly Decided[]): Brake | undefined {
  const brake = weighed(line);
  return brake.dropped > USUAL && (brake.dropped > MOST || brake.dropped > brake.of * LARGEST_SHARE) ? brake : undefined;
}

/** The same of a whole plan that was edited: three backups of each of a thousand databases are many, too. */
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
