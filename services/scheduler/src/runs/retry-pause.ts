const LONGEST_PAUSE_MS = 30 * 60_000;

/** Exponential with up to a tenth of jitter, so that what failed together doesn't come back together. */
export function retryPauseMs(failedAttempt: number, firstPauseMs: number, random: () => number): number {
  const pause = Math.min(LONGEST_PAUSE_MS, firstPauseMs * 2 ** (failedAttempt - 1));
  return Math.round(pause * (1 + random() / 10));
}
