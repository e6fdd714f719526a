import { RepositoryGrant } from '@rahat/contracts';
import type { InternalClient } from '@rahat/service-kit';

/** The storage service, as far as the scheduler needs it. */
export interface Repositories {
  /** The repository's secrets for one attempt; `not_found` when the organization has no such repository. */
  grant(organization: string, repository: string): Promise<RepositoryGrant>;
}

export function repositoriesBehind(client: Pick<InternalClient, 'post'>): Repositories {
  return {
    grant: (organization, repository) =>
      client.post(
        'storage',
        `/internal/v1/repositories/${encodeURIComponent(repository)}/grant`,
        { repository },
        RepositoryGrant,
        organization,
      ),
  };
}
