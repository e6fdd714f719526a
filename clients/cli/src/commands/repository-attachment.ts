import { catalogRebuild, repositoriesAttach, storagesList, type AttachedRepository } from '@rahat/api-client';
import { answer, openApi, type Api } from '../session/api.js';
import { allPages } from '../session/pages.js';
import { resolve } from '../session/resolve.js';
import { askCredential, type CredentialSource } from '../terminal/ask-credential.js';
import type { Terminal } from '../terminal/terminal.js';
import { PASSPHRASE } from './open-offline.js';
import { visible } from '../terminal/format.js';

export interface AttachOptions extends CredentialSource {
  name?: string;
  rebuild: boolean;
}

/** A repository that another installation made; its backups come into the catalog by the rebuild that follows. */
export async function attachRepository(terminal: Terminal, storageName: string, folder: string, options: AttachOptions): Promise<void> {
  const api = await openApi();
  const storages = await allPages((cursor) => answer(storagesList({ client: api.client, query: { cursor, limit: 200 } })));
  await attachTo(terminal, api, resolve('storage', storageName, storages), folder, options);
}

export async function attachTo(
  terminal: Terminal,
  api: Api,
  storage: { id: string },
  folder: string,
  options: AttachOptions,
): Promise<void> {
  const wayIn = await askWayIn(options);
  const body = { name: options.name ?? folder, storage: storage.id, prefix: folder, wayIn };
  const repository = await answer(repositoriesAttach({ client: api.client, body }));
  const runs = options.rebuild ? await rebuildOf(api, repository.id) : [];
  terminal.result({ repository, runs }, described(repository, runs));
}

/** What the platform asks for; a key provider is a machine's, not a person's. */
async function askWayIn(source: CredentialSource) {
  const wayIn = await askCredential(source, PASSPHRASE);
  switch (wayIn.type) {
    case 'passphrase':
    case 'recovery':
      return wayIn;
    case 'shares':
      return { type: wayIn.type, shares: [...wayIn.shares] };
    case 'sealed':
      throw new Error('A person holds no sealed way in.');
  }
}

async function rebuildOf({ client }: Api, repository: string): Promise<string[]> {
  const { runs } = await answer(catalogRebuild({ client, body: { repository, dryRun: false } }));
  return runs.map(({ id }) => id);
}

function described({ name, id, location, snapshots, unreadable, sessions, writers }: AttachedRepository, runs: string[]): string {
  return [
    `Repository ${visible(name)} (${id}) in ${visible(location)} is attached; it holds ${snapshots} snapshots.`,
    ...writers.map(({ writer, organization, lastAt }) => `Written by ${visible(writer)} of ${visible(organization)}, last at ${lastAt}.`),
    ...sessions.map(
      ({ kind, holder, beganAt }) =>
        `! ${visible(holder)} (${kind}) works in it since ${beganAt}. Where another installation lives on, both may write; each keeps and removes its own backups.`,
    ),
    ...unreadable.map(({ snapshot, message }) => `! ${snapshot} cannot be read: ${visible(message)}`),
    ...runs.map((run) => `Started ${run}, which brings its backups into the catalog: rahat-backup run show ${run}`),
  ].join('\n');
}
