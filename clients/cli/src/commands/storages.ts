import { repositoriesCreate, repositoriesList, storagesCreate, storagesList, type Repository } from '@rahat/api-client';
import { answer, openApi, type Api } from '../session/api.js';
import { allPages } from '../session/pages.js';
import { resolve } from '../session/resolve.js';
import { askSecret } from '../terminal/ask-secret.js';
import { bytes, table } from '../terminal/format.js';
import type { Terminal } from '../terminal/terminal.js';

export async function addStorage(
  terminal: Terminal,
  folder: string,
  options: { name: string; repository?: string; ownPassphrase: boolean },
): Promise<void> {
  const { client } = await openApi();
  const passphrase = options.ownPassphrase
    ? await askSecret({ label: 'Passphrase of the repository (12 characters or more)', variable: 'RAHAT_PASSPHRASE' })
    : undefined;
  const storage = await answer(storagesCreate({ client, body: { name: options.name, settings: { driver: 'local', path: folder } } }));
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
        storage.settings.path,
        storage.freeBytes === null ? '–' : bytes(storage.freeBytes),
        storage.repositories.map(({ name }) => name).join(', '),
        storage.id,
      ]),
    ),
  );
}

const loadRepositories = (api: Api): Promise<Repository[]> =>
  allPages((cursor) => answer(repositoriesList({ client: api.client, query: { cursor, limit: 200 } })));

export const findRepository = async (api: Api, name: string): Promise<Repository> =>
  resolve('repository', name, await loadRepositories(api));
