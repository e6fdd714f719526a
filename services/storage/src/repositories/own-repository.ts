import { openBlobStore } from '@rahat/blob-store-registry';
import { RahatError } from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';
import { openRepository, type Repository } from '@rahat/repository';
import type { SecretBox } from '@rahat/secrets';
import { connectionOf } from '../storages/storage-secret.js';
import { repositoryOf, type RepositoryRow } from './repositories.service.js';
import { openSecrets } from './repository-secrets.js';

/** Consumers see every organization, so the command's own is checked here. */
export async function ownRepository(
  transaction: Transaction,
  { organization, repository }: { organization: string; repository: string },
): Promise<RepositoryRow> {
  const row = await repositoryOf(transaction, repository);
  if (row.organization_id !== organization) throw new RahatError('not_found', 'There is no such repository.');
  return row;
}

export async function openStored(secretBox: SecretBox, row: RepositoryRow): Promise<Repository> {
  return openRepository(await openBlobStore(connectionOf(secretBox, row), row.prefix), {
    type: 'secrets',
    ...openSecrets(secretBox, row),
  });
}
