import { RepositoryGrant } from '@rahat/contracts';

/** The storage service, as far as the scheduler needs it. */
export interface Repositories {
  /** The repository's secrets for one attempt; `not_found` when the organization has no such repository. */
  grant(organization: string, repository: string): Promise<RepositoryGrant>;
}

/** What the scheduler needs of service-kit's InternalClient. */
export interface PostToService {
  post<T>(service: string, path: string, body: unknown, schema: { parse(value: unknown): T }, organization: string): Promise<T>;
}

export function repositoriesBehind(client: PostToService): Repositories {
  return {
    grant: (organization, repository) =>
      client.post('storage', `/internal/v1/repositories/${encodeURIComponent(repository)}/grant`, { repository }, RepositoryGrant, organization),
  };
}
