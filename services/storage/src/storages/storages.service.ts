import { openBlobStore } from '@rahat/blob-store-registry';
import type { CreateStorage, Page, PageQuery, Principal, Storage, StorageConnection, StorageSettings } from '@rahat/contracts';
import { newId, RahatError, storagePlace } from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { ServiceDatabase, Transaction } from '@rahat/persistence';
import type { SecretBox } from '@rahat/secrets';
import { changesBetween, ListPages, recordAct, type Cursors } from '@rahat/service-kit';
import type { StorageConfig } from '../config.js';
import { isInside, prepareLocalFolder, spaceOf } from './local-folder.js';
import { probeStorage } from './probe-storage.js';
import { sealStorageSecret, splitSecret } from './storage-secret.js';

/** Somebody waits for the answer: trouble is told after one more try. */
const AT_THE_FORM = { tries: 2 };

export interface StorageRow {
  id: string;
  organization_id: string;
  name: string;
  settings: StorageSettings;
  sealed_secret: string | null;
  created_at: Date;
}

export class StoragesService {
  private readonly pages: ListPages;

  constructor(
    private readonly database: ServiceDatabase,
    private readonly outbox: Outbox,
    private readonly secretBox: SecretBox,
    private readonly config: StorageConfig,
    cursors: Cursors,
  ) {
    this.pages = new ListPages(cursors, 'storages');
  }

  async create(principal: Principal, request: CreateStorage): Promise<Storage> {
    const connection = await this.prepare(request.settings);
    const place = storagePlace(connection);
    const store = await openBlobStore(connection, '', AT_THE_FORM);
    if ((await store.stat('rahat.json')) !== undefined) {
      throw new RahatError('repository_exists', `${place} is itself a repository.`, {
        hint: 'Give the folder above it; its repositories are folders in it.',
      });
    }
    const look = (transaction: Transaction) => refuseOverlap(transaction, principal.organization, connection);
    await this.database.asSystem('look for storages on the same place', look);
    await probeStorage(store);
    // Seen again under a lock: of two requests for one place only one may win.
    return this.database.asSystem('make a storage on a place of its own', async (transaction) => {
      await transaction.query(`SELECT pg_advisory_xact_lock(hashtextextended('rahat.storage.folders', 0))`);
      await look(transaction);
      return present(await this.insert(transaction, principal, request.name, connection));
    });
  }

  private async prepare(connection: StorageConnection): Promise<StorageConnection> {
    if (connection.driver !== 'local') return connection;
    return { ...connection, path: await prepareLocalFolder(connection.path, this.config.RAHAT_DATA_FOLDER) };
  }

  private async insert(transaction: Transaction, principal: Principal, name: string, connection: StorageConnection): Promise<StorageRow> {
    const id = newId('storage');
    const { settings, secret } = splitSecret(connection);
    const sealed = sealStorageSecret(this.secretBox, principal.organization, id, secret);
    const [created] = await transaction.query<StorageRow>(
      `INSERT INTO storages (id, organization_id, name, settings, sealed_secret) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (organization_id, name) DO NOTHING RETURNING *`,
      [id, principal.organization, name, JSON.stringify(settings), sealed],
    );
    if (created === undefined)
      throw new RahatError('conflict', `There is a storage named "${name}" already.`, { hint: 'Choose another name.' });
    await recordAct(this.outbox, transaction, principal, {
      action: 'storage.created',
      target: { kind: 'storage', id: created.id, name: created.name },
      details: { ...changesBetween(undefined, { name, settings }, { credential: secret !== null }) },
    });
    return created;
  }

  async list(principal: Principal, page: PageQuery): Promise<Page<Storage>> {
    const [after = null] = this.pages.after(page.cursor);
    const rows = await this.database.inOrganization(principal.organization, (transaction) =>
      transaction.query<StorageRow>(`SELECT * FROM storages WHERE ($1::text IS NULL OR id < $1) ORDER BY id DESC LIMIT $2`, [
        after,
        page.limit + 1,
      ]),
    );
    const shown = this.pages.page(rows, page.limit, present, (row) => [row.id]);
    return { ...shown, data: await Promise.all(shown.data) };
  }

  async get(principal: Principal, id: string): Promise<Storage> {
    return present(await this.database.inOrganization(principal.organization, (transaction) => storageOf(transaction, id)));
  }
}

/** Across organizations: two tenants on one place would see each other's free space, names and traffic. */
async function refuseOverlap(transaction: Transaction, organization: string, wanted: StorageSettings): Promise<void> {
  const rows = await transaction.query<StorageRow>(`SELECT * FROM storages WHERE settings ->> 'driver' = $1`, [wanted.driver]);
  const other = rows.find((row) => overlap(row.settings, wanted));
  if (other === undefined) return;
  const which =
    other.organization_id === organization ? `The storage "${other.name}" (${storagePlace(other.settings)})` : 'Another storage';
  throw new RahatError('conflict', `${which} uses this folder, one in it or one above it.`, {
    hint: 'Use that storage, or another folder.',
  });
}

/** The same place, or one within the other. */
function overlap(one: StorageSettings, other: StorageSettings): boolean {
  if (one.driver === 's3' && other.driver === 's3') {
    if (one.bucket !== other.bucket || one.endpoint !== other.endpoint) return false;
  } else if (one.driver !== other.driver) return false;
  const [here, there] = [rootOf(one), rootOf(other)];
  return isInside(here, there) || isInside(there, here);
}

function rootOf(settings: StorageSettings): string {
  return settings.driver === 'local' ? settings.path : `/${settings.prefix ?? ''}`;
}

export async function storageOf(transaction: Transaction, id: string): Promise<StorageRow> {
  const [row] = await transaction.query<StorageRow>(`SELECT * FROM storages WHERE id = $1`, [id]);
  if (row === undefined) throw new RahatError('not_found', 'There is no such storage.');
  return row;
}

async function present(row: StorageRow): Promise<Storage> {
  const space = row.settings.driver === 'local' ? await spaceOf(row.settings.path) : undefined;
  return {
    id: row.id,
    name: row.name,
    settings: row.settings,
    createdAt: row.created_at.toISOString(),
    freeBytes: space?.freeBytes ?? null,
    totalBytes: space?.totalBytes ?? null,
  };
}
