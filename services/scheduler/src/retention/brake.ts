import type { RetentionDecision } from './retention.js';

/** With every new backup one becomes due, or a few where a year or a month begins. */
const USUAL = 3;
const MOST = 10;
const LARGEST_SHARE = 0.2;

export interface Brake {
  dropped: number;
  of: number;
}

interface Decided {
  decision: Pick<RetentionDecision, 'verdict' | 'due'>;
  /** Set when retention let it go and something else kept it: it was weighed then, and goes without another word. */
  row: { due_since: Date | null };
}

/** What the policy wants no more since the last look: this is weighed, whether it can go already or not (ADR 14). */
export function isNewlyDue({ decision, row }: Decided): boolean {
  return decision.due && row.due_since === null;
}

/**
 * What a clock that jumped, an edited policy or verifications that failed for weeks would let go at once is not done before somebody
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

/** What one look at a line does: `settled` is told, marked or removed as decided; of `heldUp` nothing goes before somebody confirmed it. */
export function weighLine<D extends Decided>(
  line: readonly D[],
  planBrake: Brake | null,
): { brake: Brake | null; settled: D[]; heldUp: D[] } {
  const brake = brakeOn(line) ?? planBrake;
  const { heldUp = [], settled = [] } = Object.groupBy(line, (one) => (brake && isNewlyDue(one) ? 'heldUp' : 'settled'));
  return { brake, settled, heldUp };
}

function weighed(decided: readonly Decided[]): Brake {
  return {
    dropped: decided.filter(isNewlyDue).length,
    of: decided.filter(({ decision }) => decision.verdict !== 'trashed').length,
  };
}
