import { openKeyslot, type Secrets, type SlotAttempt } from './format/keyslot.js';
import { ReaderError } from './reader-error.js';
import type { Folder } from './storage/folder.js';

const KEYSLOT_PATTERN = /^[0-9a-f]{32}$/;

/** Tries every slot until one opens. Throws with what was wrong with each. */
export async function tryKeyslots(folder: Folder, repositoryId: Buffer, passphrase: string): Promise<Secrets> {
  const failed: Exclude<SlotAttempt, { outcome: 'opened' }>[] = [];
  for (const { name } of await folder.list('keys/', KEYSLOT_PATTERN)) {
    const attempt = openKeyslot(name.slice('keys/'.length), await folder.read(name), repositoryId, passphrase);
    if (attempt.outcome === 'opened') return attempt.secrets;
    failed.push(attempt);
  }
  if (failed.length === 0)
    throw new ReaderError('damaged', 'keys/: there is no keyslot, so no passphrase can open this repository', { file: 'keys/' });
  const reasons = failed.map(({ id, reason }) => `keys/${id}: ${reason}`).join('\n  ');
  const wrong = failed.some(({ outcome }) => outcome === 'wrongPassphrase');
  if (wrong) throw new ReaderError('passphrase', `The passphrase does not fit.\n  ${reasons}`);
  throw new ReaderError('damaged', `No keyslot can be used, or rahat.json was changed.\n  ${reasons}`, { file: `keys/${failed[0]?.id}` });
}
