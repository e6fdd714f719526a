/** "Last used" is written at most this often. */
export const TOUCH_SECONDS = 60;
/** The gateway asks again well before this; it only bounds a forgotten cache. */
const ANSWER_HOLDS_MS = 10 * 60_000;

export function holdsUntil(expiresAt: Date | null): string {
  const longest = Date.now() + ANSWER_HOLDS_MS;
  return new Date(Math.min(expiresAt?.getTime() ?? longest, longest)).toISOString();
}
