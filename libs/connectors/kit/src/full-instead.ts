import type { Finding } from '@rahat/contracts';

/** Told where an incremental or differential backup was asked for and a full one taken; `reason` ends the sentence. */
export function fullInstead(reason: string): Finding {
  return { code: 'full_instead', severity: 'warning', message: `A full backup was taken instead: ${reason.replace(/\.$/, '')}.` };
}
