import type { BlackoutWindow } from '@rahat/contracts';
import { blackoutAt } from './blackouts.js';
import { jitterMs } from './jitter.js';

export interface DueRules {
  plan: string;
  jitterMinutes: number;
  /** Of the plan, its server and its organization together. */
  windows: readonly BlackoutWindow[];
  whenDueInside: 'move' | 'skip';
}

/** Windows that leave gaps shorter than the jitter could be left and met for ever. */
const MOST_MOVES = 50;

/** When a run of this occurrence starts. Moved ones keep their jitter, so that they don't all start at a window's end. */
export function dueAt(occursAt: Date, rules: DueRules): Date {
  const jitter = jitterMs(rules.plan, occursAt, rules.jitterMinutes);
  let at = new Date(occursAt.getTime() + jitter);
  if (rules.whenDueInside === 'skip') return at;
  for (let moves = 0; moves < MOST_MOVES; moves++) {
    const blackout = blackoutAt(rules.windows, at);
    // Without an end there is nowhere to move to: it will be told as skipped at its own time.
    if (!blackout?.until) return at;
    at = new Date(blackout.until.getTime() + (moves === MOST_MOVES - 1 ? 0 : jitter));
  }
  return at;
}
