import { RepositoryGrant, type RepositoryPower } from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';
import type { InternalClient } from '@rahat/service-kit';

/** The storage service, as far as the scheduler needs it. */
export interface Repositories {
  /** What opens the repository for one attempt, as far as `power` says; `not_found` when the organization has no such repository. */
  grant(organization: string, repository: string, power: RepositoryPower): Promise<RepositoryGrant>;
}

export function repositoriesBehind(client: Pick<InternalClient, 'post'>): Repositories {
  return {
    grant: (organization, repository, power) =>
      client.post(
        'storage',
        `/internal/v1/repositories/${encodeURIComponent(repository)}/grant`,
        { repository, power },
        RepositoryGrant,
        organization,
      ),
  };
}

/** Which storage a repository lies on, for the limit of runs at once on a storage. */
export async function rememberPlace(transaction: Transaction, repository: string, storage: string): Promise<void> {
  await transaction.query(
    `INSERT INTO repository_places (repository_id, storage_id) VALUES ($1, $2) ON CONFLICT (repository_id) DO UPDATE SET storage_id = $2 WHERE repository_places.storage_id <> $2`,
    [repository, storage],
  );
}
