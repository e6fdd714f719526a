import { RahatError, type AuthenticatedSubject } from '@rahat/contracts';
import type { Response } from 'express';

/** With what is remembered of a credential (subject-cache.ts) this keeps below the ten seconds in which a revocation takes hold. */
export const LOOK_AGAIN_MS = 4_000;

/** An event stream outlives the look at its credential: it ends when the credential does, or may do less than when it began. */
export function endWithCredential(
  response: Response,
  began: AuthenticatedSubject,
  look: () => Promise<AuthenticatedSubject>,
  lookAgainMs = LOOK_AGAIN_MS,
): void {
  const looking = setInterval(() => {
    void isStillGood(began, look).then((good) => {
      if (!good) response.destroy();
    });
  }, lookAgainMs);
  looking.unref();
  response.once('close', () => clearInterval(looking));
}

export function isEventStream(method: string, url: string): boolean {
  return method === 'GET' && /\/events\/?$/i.test(url.split('?', 1)[0]!);
}

export async function isStillGood(began: AuthenticatedSubject, look: () => Promise<AuthenticatedSubject>): Promise<boolean> {
  try {
    const now = await look();
    return now.organization === began.organization && began.scopes.every((scope) => now.scopes.includes(scope));
  } catch (error) {
    // Auth may be restarting; that is no answer.
    const { code } = RahatError.from(error);
    return code !== 'unauthenticated' && code !== 'forbidden';
  }
}
