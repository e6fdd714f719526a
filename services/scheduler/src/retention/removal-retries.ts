const FIRST_RETRY_MS = 60_000;
/** Also how long an answer is waited for. */
export const LONGEST_RETRY_MS = 6 * 3_600_000;

export function retryAfterMs(tries: number): number {
  return Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(20, Math.max(0, tries - 1)));
}
