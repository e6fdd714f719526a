import { join } from 'node:path';
import { openBlobStore } from '@rahat/blob-store-registry';
import { newId, type PostgresqlConnection, type RepositoryPower, type RunSecrets } from '@rahat/contracts';
import { createRepository, grantCredential, type Repository } from '@rahat/repository';
import type { PostgresqlServer } from '@rahat/test-servers';
import type { ExecutionOptions } from '../index.js';

export const PASSPHRASE = 'correct horse battery';

/** Reads a task of `{ spec, secrets, scratchFolder }` as its first message and ends at a second one. */
export const RUN_CHILD = join(import.meta.dirname, '../../dist/testing/run-child.js');

/** What every run is told beside its task. */
export function runHead() {
  return {
    version: 1 as const,
    run: newId('run'),
    attempt: 1,
    organization: 'org_1',
    engine: 'postgresql' as const,
    server: { id: 'server_1', name: 'shop server' },
    deadline: new Date(Date.now() + 3_600_000).toISOString(),
    noProgressSeconds: 900,
    sealedSecrets: '',
    repository: 'repository_1',
  };
}

export function runOptions(scratchFolder: string, change: Partial<ExecutionOptions> = {}): ExecutionOptions {
  return {
    signal: new AbortController().signal,
    onProgress: () => undefined,
    onLog: () => undefined,
    toolFolders: [],
    scratchFolder,
    workerName: 'worker-1',
    ...change,
  };
}

export function connectionTo({ host, port, user, password }: PostgresqlServer): PostgresqlConnection {
  return { host, port, user, password, maintenanceDatabase: 'postgres', tls: 'prefer' };
}

export function storageIn(folder: string) {
  return { driver: 'local' as const, path: join(folder, 'storage') };
}

export interface GrantedRepository {
  repository: Repository;
  /** What a run is given that may do no more than this. */
  secrets(power: RepositoryPower, source?: PostgresqlConnection): RunSecrets;
}

export async function createGrantedRepository(folder: string, prefix = 'main'): Promise<GrantedRepository> {
  const storage = storageIn(folder);
  const repository = await createRepository(await openBlobStore(storage, prefix), { passphrase: PASSPHRASE });
  return {
    repository,
    secrets: (power, source) => ({
      ...(source && { source }),
      repositories: [
        { repositoryId: repository.id, storage, prefix, credential: grantCredential(power, repository.id, repository.exportSecrets()) },
      ],
    }),
  };
}
