import path from 'node:path';
import type { BlobStore } from '@rahat/blob-store-port';
import { openBlobStore } from '@rahat/blob-store-registry';
import {
  newId,
  RahatError,
  storagePlace,
  type CreatedRepository,
  type CreateRepository,
  type Page,
  type PageQuery,
  type Principal,
  type Repository,
  type RepositoryGrant,
  type RepositoryPower,
  type StorageSettings,
} from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { ServiceDatabase, Transaction } from '@rahat/persistence';
import { createRepository, grantCredential, type Repository as OpenRepository } from '@rahat/repository';
import type { SecretBox } from '@rahat/secrets';
import { changesBetween, ListPages, recordAct, type Cursors } from '@rahat/service-kit';
import type { StorageConfig } from '../config.js';
import { refusePlace } from '../storages/local-folder.js';
import { connectionOf } from '../storages/storage-secret.js';
import { storageOf, type StorageRow } from '../storages/storages.service.js';
import { newPassphrase } from './passphrase.js';
import { isFolderName, prefixFromName } from './prefix.js';
import { openSecrets, sealSecrets } from './repository-secrets.js';

export interface RepositoryRow {
  id: string;
  organization_id: string;
  storage_id: string;
  name: string;
  prefix: string;
  repository_id: string;
  sealed_master_key: string;
  sealed_identity_secret: string;
  created_at: Date;
  /** null = it was made here. */
  attached_at: Date | null;
  settings: StorageSettings;
  /** Of the storage. */
  sealed_secret: string | null;
}

const WITH_STORAGE = `SELECT r.*, s.settings, s.sealed_secret FROM repositories r JOIN storages s ON s.id = r.storage_id`;

export class RepositoriesService {
  private readonly pages: ListPages;

  constructor(
    private readonly database: ServiceDatabase,
    private readonly outbox: Outbox,
    private readonly secretBox: SecretBox,
    private readonly config: StorageConfig,
    cursors: Cursors,
  ) {
    this.pages = new ListPages(cursors, 'repositories');
  }

  async create(principal: Principal, request: CreateRepository): Promise<CreatedRepository> {
    const prefix = request.prefix ?? prefixFromName(request.name);
    if (!isFolderName(prefix))
      throw new RahatError('invalid_input', `"${prefix}" cannot be a repository's folder.`, {
        hint: 'Use small letters, digits and dashes.',
      });
    const passphrase = request.passphrase ?? newPassphrase();
    const row = await this.database.inOrganization(principal.organization, async (transaction) => {
      const storage = await storageOf(transaction, request.storage);
      if (storage.settings.driver === 'local') refusePlace(path.join(storage.settings.path, prefix), this.config.RAHAT_DATA_FOLDER);
      await refuseTaken(transaction, storage, request.name, prefix);
      const connection = connectionOf(this.secretBox, { ...storage, storage_id: storage.id });
      const made = await makeRepository(await openBlobStore(connection, prefix), passphrase);
      const id = newId('repository');
      const sealed = sealSecrets(this.secretBox, principal.organization, id, made.exportSecrets());
      await transaction.query(
        `INSERT INTO repositories (id, organization_id, storage_id, name, prefix, repository_id, sealed_master_key, sealed_identity_secret) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
        [id, principal.organization, storage.id, request.name, prefix, made.id, sealed.masterKey, sealed.identitySecret],
      );
      await recordAct(this.outbox, transaction, principal, {
        action: 'repository.created',
        target: { kind: 'repository', id, name: request.name },
        details: {
          ...changesBetween(undefined, { name: request.name, storage: storage.id, prefix, repositoryId: made.id }, { passphrase: true }),
        },
      });
      return repositoryOf(transaction, id);
    });
    return { ...presentRepository(row), passphrase: request.passphrase === undefined ? passphrase : null };
  }

  async list(principal: Principal, page: PageQuery): Promise<Page<Repository>> {
    const [after = null] = this.pages.after(page.cursor);
    const rows = await this.database.inOrganization(principal.organization, (transaction) =>
      transaction.query<RepositoryRow>(`${WITH_STORAGE} WHERE ($1::text IS NULL OR r.id < $1) ORDER BY r.id DESC LIMIT $2`, [
        after,
        page.limit + 1,
      ]),
    );
    return this.pages.page(
      rows,
      page.limit,
      (row) => asKnownTo(principal, presentRepository(row)),
      (row) => [row.id],
    );
  }

  async get(principal: Principal, id: string): Promise<Repository> {
    return asKnownTo(principal, presentRepository(await this.row(principal.organization, id)));
  }

  /** What one attempt needs to reach the repository, with the power that was asked for; for services only. */
  async grant(principal: Principal, id: string, power: RepositoryPower): Promise<RepositoryGrant> {
    const row = await this.database.inOrganization(principal.organization, async (transaction) => {
      const found = await repositoryOf(transaction, id);
      await recordAct(this.outbox, transaction, principal, {
        action: 'repository.keys_used',
        target: { kind: 'repository', id, name: found.name },
        details: { power },
      });
      return found;
    });
    return {
      repositoryId: row.repository_id,
      storageId: row.storage_id,
      storage: connectionOf(this.secretBox, row),
      prefix: row.prefix,
      credential: grantCredential(power, row.repository_id, openSecrets(this.secretBox, row)),
    };
  }

  private async row(organization: string, id: string): Promise<RepositoryRow> {
    return this.database.inOrganization(organization, (transaction) => repositoryOf(transaction, id));
  }
}

export async function repositoryOf(transaction: Transaction, id: string): Promise<RepositoryRow> {
  const [row] = await transaction.query<RepositoryRow>(`${WITH_STORAGE} WHERE r.id = $1`, [id]);
  if (row === undefined) throw new RahatError('not_found', 'There is no such repository.');
  return row;
}

export async function refuseTaken(transaction: Transaction, storage: StorageRow, name: string, prefix: string): Promise<void> {
  // Two requests for one place wait for each other; the second one then sees the first one's row.
  await transaction.query(`SELECT pg_advisory_xact_lock(hashtextextended('rahat.storage.' || $1::text, 0))`, [storage.id]);
  const [other] = await transaction.query<{ name: string; prefix: string }>(
    `SELECT name, prefix FROM repositories WHERE name = $1 OR (storage_id = $2 AND prefix = $3) LIMIT 1`,
    [name, storage.id, prefix],
  );
  if (other === undefined) return;
  if (other.name === name)
    throw new RahatError('conflict', `There is a repository named "${name}" already.`, { hint: 'Choose another name.' });
  throw new RahatError('repository_exists', `The repository "${other.name}" uses the folder "${prefix}" of this storage.`, {
    hint: 'Choose another prefix.',
  });
}

/** The place must be empty, but for what a creation that broke off left there: keys of a repository that never came to be. */
async function makeRepository(store: BlobStore, passphrase: string): Promise<OpenRepository> {
  if ((await store.stat('rahat.json')) !== undefined) {
    throw new RahatError(
      'repository_exists',
      `There is a repository at ${store.description} already, which this installation did not make.`,
      { hint: 'Choose another prefix. The repository there was not changed.' },
    );
  }
  const leftOver: string[] = [];
  for await (const { name } of store.list('')) {
    if (name !== 'config' && !name.startsWith('keys/'))
      throw new RahatError('conflict', `The folder ${store.description} is not empty; "${name}" lies in it.`, {
        hint: 'Choose another prefix, or empty the folder.',
      });
    leftOver.push(name);
  }
  for (const name of leftOver) await store.remove(name);
  return createRepository(store, { passphrase });
}

/** Whoever is limited to server groups chooses one for a plan; where it lies is the organization's. */
function asKnownTo({ serverGroups }: Principal, repository: Repository): Repository {
  return serverGroups === null ? repository : { ...repository, location: '' };
}

export function presentRepository(row: RepositoryRow): Repository {
  return {
    id: row.id,
    name: row.name,
    storage: row.storage_id,
    prefix: row.prefix,
    location: `${storagePlace(row.settings)}/${row.prefix}`,
    repositoryId: row.repository_id,
    createdAt: row.created_at.toISOString(),
    attachedAt: row.attached_at?.toISOString() ?? null,
  };
}
