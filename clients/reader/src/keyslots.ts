import { openKeyslot, type Secrets } from './format/keyslot.js';
import { messageOf, ReaderError } from './reader-error.js';
import type { Folder } from './storage/folder.js';

/** Tries every slot until one opens. Throws with what was wrong with each. */
export async function tryKeyslots(folder: Folder, repositoryId: Buffer, given: readonly string[]): Promise<Secrets> {
  const reasons: string[] = [];
  let wrongSecret = false;
  for (const { name } of await folder.list('keys/', /^[0-9a-f]{32}$/)) {
    const bytes = await folder.read(name).catch((error: unknown) => void reasons.push(messageOf(error)));
    if (!bytes) continue;
    const attempt = openKeyslot(name.slice('keys/'.length), bytes, repositoryId, given);
    if (attempt.outcome === 'opened') return attempt.secrets;
    wrongSecret ||= attempt.outcome === 'wrongSecret';
    reasons.push(`${name}: ${attempt.reason}`);
  }
  const list = `\n  ${reasons.join('\n  ') || 'There is no keyslot in keys/.'}`;
  if (wrongSecret) throw new ReaderError('passphrase', `The passphrase, recovery key or shares do not fit.${list}`);
  throw new ReaderError('damaged', `No keyslot can be used, or rahat.json was changed.${list}`, { file: 'keys/' });
}
