import { KnownPlaces, type CreateRepository, type CreateStorage, type Principal } from '@rahat/contracts';
import type { InternalClient } from '@rahat/service-kit';

/** Storages and repositories, which the storage service owns. What is made there is made in the name of who applied the documents. */
export interface Places {
  known(organization: string): Promise<KnownPlaces>;
  createStorage(actor: Principal, request: CreateStorage): Promise<KnownPlaces>;
  createRepository(actor: Principal, request: CreateRepository): Promise<KnownPlaces>;
}

export function placesBehind(client: Pick<InternalClient, 'post'>): Places {
  const ask = (path: string, body: object, organization: string) =>
    client.post('storage', `/internal/v1/places${path}`, body, KnownPlaces, organization);
  return {
    known: (organization) => ask('', {}, organization),
    createStorage: (actor, request) => ask('/storages', { actor, request }, actor.organization),
    createRepository: (actor, request) => ask('/repositories', { actor, request }, actor.organization),
  };
}
