import type { BlobStore } from '@rahat/blob-store-port';
import { RahatError } from '@rahat/contracts';
import type { RepositorySecrets } from './derivation.js';
import { readKeyslots } from './keyslot-store.js';
import { fits, openKeyslot, type SlotCredential } from './ways-in.js';

/**
 * Tries each slot that fits the credential; never writes. Throws `repository_wrong_passphrase` or `repository_wrong_key` when none opens,
 * `repository_damaged` when one that might have was damaged, `recovery_key_mistyped`. The message says of each slot why it didn't open.
 */
export async function openKeyslots(store: BlobStore, repositoryId: Buffer, credential: SlotCredential): Promise<RepositorySecrets> {
  const reasons: string[] = [];
  let damage: RahatError | undefined;
  let slots = 0;
  let tried = 0;
  for await (const stored of readKeyslots(store, repositoryId)) {
    slots++;
    if (!stored.ok) {
      if (stored.error.code === 'repository_damaged') damage ??= stored.error;
      reasons.push(stored.error.message);
      continue;
    }
    if (!fits(stored.slot, credential)) continue;
    tried++;
    const attempt = await openKeyslot(stored.slot, credential);
    if (attempt.opened) return attempt.opened;
    reasons.push(`Keyslot ${stored.id} (${JSON.stringify(stored.slot.label)}): ${attempt.reason}.`);
  }
  if (damage) throw new RahatError('repository_damaged', reasons.join(' '), { cause: damage });
  if (slots === 0) throw new RahatError('repository_damaged', 'The repository has no keyslot: its folder keys/ is empty.');
  const code = credential.type === 'passphrase' ? 'repository_wrong_passphrase' : 'repository_wrong_key';
  const what = { passphrase: 'passphrase', recovery: 'recovery key', shares: 'set of shares', sealed: 'key provider' }[credential.type];
  throw new RahatError(code, `The ${what} opens none of the repository's ${tried} keyslots of its type. ${reasons.join(' ')}`.trim());
}
