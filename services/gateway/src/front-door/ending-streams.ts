import type { AuthenticatedSubject } from '@rahat/contracts';
import type { Response } from 'express';
import type { CredentialWatch } from './credential-watch.js';

/** An event stream outlives the look at its credential, and ends with it. */
export function endWithCredential(
  response: Response,
  watch: CredentialWatch,
  credential: string,
  caller: { began: AuthenticatedSubject; address: string },
): void {
  response.once('close', watch.watch(credential, { ...caller, end: () => response.destroy() }));
}

export function isEventStream(method: string, url: string): boolean {
  return method === 'GET' && /\/events\/?$/i.test(url.split('?', 1)[0]!);
}
