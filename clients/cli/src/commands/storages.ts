import { readFile } from 'node:fs/promises';
import { repositoriesCreate, repositoriesList, storagesCreate, storagesList, type Repository } from '@rahat/api-client';
import {
  isS3Address,
  parseS3Address,
  RahatError,
  S3Settings,
  storagePlace,
  type S3Connection,
  type StorageConnection,
} from '@rahat/contracts';
import { answer, openApi, type Api } from '../session/api.js';
import { allPages } from '../session/pages.js';
import { resolve } from '../session/resolve.js';
import { askAccessKeySecret, askSecret } from '../terminal/ask-secret.js';
import { bytes, table } from '../terminal/format.js';
import type { Terminal } from '../terminal/terminal.js';
import { attachTo } from './repository-attachment.js';

export interface AddStorageOptions {
  name: string;
  repository?: string;
  ownPassphrase: boolean;
  endpoint?: string;
  region?: string;
  addressing?: string;
  accessKey?: string;
  secretKeyStdin: boolean;
  platformCredentials: boolean;
  caFile?: string;
  storageClass?: string;
  /** Folder of a repository that another installation made. */
  attach?: string;
  with?: string;
  keyFile?: string[];
}

export async function addStorage(terminal: Terminal, place: string, options: AddStorageOptions): Promise<void> {
  const api = await openApi();
  const { client } = api;
  const settings = await connectionTo(place, options);
  if (options.attach !== undefined) {
    const storage = await answer(storagesCreate({ client, body: { name: options.name, settings } }));
    terminal.say(`Storage ${storage.name} is added; what comes next can be repeated: rahat-backup storage attach ${storage.name} …`);
    return attachTo(terminal, api, storage, options.attach, { ...options, name: options.repository, rebuild: true });
  }
  const passphrase = options.ownPassphrase
    ? await askSecret({ label: 'Passphrase of the repository (12 characters or more)', variable: 'RAHAT_PASSPHRASE' })
    : undefined;
  const storage = await answer(storagesCreate({ client, body: { name: options.name, settings } }));
  const repository = await answer(
    repositoriesCreate({ client, body: { name: options.repository ?? options.name, storage: storage.id, passphrase } }),
  );
  if (repository.passphrase !== null) {
    terminal.say(
      terminal.paint('yellow', '! Write this passphrase down; it is shown only now. Storage and passphrase are all a restore needs:'),
    );
  }
  terminal.result(
    { storage, repository },
    [repository.passphrase, `Repository ${repository.name} (${repository.id}) is ready in ${repository.location}.`]
      .filter((line) => line !== null)
      .join('\n'),
  );
}

async function connectionTo(place: string, options: AddStorageOptions): Promise<StorageConnection> {
  if (!isS3Address(place)) return { driver: 'local', path: place };
  const { endpoint, region, addressing, accessKey, caFile, storageClass } = options;
  // The platform uses the bucket, not this machine: nothing of this machine's environment may slip in.
  const address = parseS3Address(place, {});
  const parsed = S3Settings.safeParse({
    ...address,
    ...Object.fromEntries(Object.entries({ endpoint, region, addressing, storageClass }).filter(([, value]) => value !== undefined)),
    caCertificate: caFile === undefined ? undefined : await readFile(caFile, 'utf8'),
  });
  if (!parsed.success)
    throw new RahatError('invalid_input', parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '));
  return { ...parsed.data, credentials: await credentials(accessKey, options) };
}

async function credentials(accessKeyId: string | undefined, options: AddStorageOptions): Promise<S3Connection['credentials']> {
  if (options.platformCredentials) return { source: 'environment' };
  if (accessKeyId === undefined) {
    throw new RahatError('invalid_input', 'The access key of the bucket is needed.', {
      hint: 'Give --access-key; its secret is asked for. With --platform-credentials the platform uses the role or profile of its machine.',
    });
  }
  const secretAccessKey = await askAccessKeySecret(accessKeyId, options.secretKeyStdin);
  return { source: 'access-key', accessKeyId, secretAccessKey };
}

export async function listStorages(terminal: Terminal): Promise<void> {
  const api = await openApi();
  const storages = await allPages((cursor) => answer(storagesList({ client: api.client, query: { cursor, limit: 200 } })));
  const repositories = await loadRepositories(api);
  const data = storages.map((storage) => ({
    ...storage,
    repositories: repositories.filter((repository) => repository.storage === storage.id),
  }));
  terminal.result(
    data,
    table(
      ['STORAGE', 'PLACE', 'FREE', 'REPOSITORIES', 'ID'],
      data.map((storage) => [
        storage.name,
        storagePlace(storage.settings),
        storage.freeBytes === null ? '–' : bytes(storage.freeBytes),
        storage.repositories.map(({ name }) => name).join(', '),
        storage.id,
      ]),
    ),
  );
}

export const loadRepositories = (api: Api): Promise<Repository[]> =>
  allPages((cursor) => answer(repositoriesList({ client: api.client, query: { cursor, limit: 200 } })));

export const findRepository = async (api: Api, name: string): Promise<Repository> =>
  resolve('repository', name, await loadRepositories(api));
