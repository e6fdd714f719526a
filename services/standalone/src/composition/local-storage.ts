import type { INestApplication } from '@nestjs/common';
import { newId, type Principal } from '@rahat/contracts';
import type { LocalStorage } from '@rahat/installation';
import { RepositoriesService, StoragesService } from '@rahat/service-storage';

/** The storage service of this process: the front door before its HTTP side takes no principal of a service. */
export function localStorageOf(nest: INestApplication, organization: string): LocalStorage {
  const storages = nest.get(StoragesService, { strict: false });
  const repositories = nest.get(RepositoriesService, { strict: false });
  const principal = platformPrincipal(organization);
  const page = { limit: 200 };
  return {
    storages: async () => (await storages.list(principal, page)).data,
    repositories: async () => (await repositories.list(principal, page)).data,
    makeStorage: (storage) => storages.create(principal, storage),
    makeRepository: (repository) => repositories.create(principal, repository),
  };
}

function platformPrincipal(organization: string): Principal {
  return {
    kind: 'service',
    subject: 'standalone',
    name: 'Rahat Backup',
    organization,
    role: 'owner',
    scopes: ['*'],
    serverGroups: null,
    address: 'internal',
    requestId: newId('request'),
  };
}
