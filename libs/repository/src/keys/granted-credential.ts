import type { RepositoryAccess, RepositoryPower } from '@rahat/contracts';
import type { RepositorySecrets } from './derivation.js';
import { writeOnlyCredential } from './write-only.js';

/** What opens the repository with so much power and no more; made without opening it. `repositoryId` is the hex of its id. */
export function grantCredential(power: RepositoryPower, repositoryId: string, secrets: RepositorySecrets): RepositoryAccess['credential'] {
  switch (power) {
    case 'write-only':
      return { power, writeOnly: writeOnlyCredential(repositoryId, secrets) };
    case 'read':
      return { power, masterKey: secrets.masterKey.toString('base64'), identitySecret: secrets.identitySecret.toString('base64') };
  }
}
