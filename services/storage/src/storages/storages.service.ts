import { openBlobStore } from '@rahat/blob-store-registry';
import type { CreateStorage, Page, PageQuery, Principal, Storage, StorageSettings } from '@rahat/contracts';
import { newId, RahatError } from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { ServiceDatabase, Transaction } from '@rahat/persistence';
import type { Cursors } from '@rahat/service-kit';
import { z } from 'zod';
import type { StorageConfig } from '../config.js';
import { actorOf, recordAct } from '../trail/trail.js';
import { isInside, prepareLocalFolder, spaceOf } from './local-folder.js';
import { probeStorage } from './probe-storage.js';

const Position = z.tuple([z.literal('storages'), z.string()]);

export interface StorageRow {
  id: string;
  organization_id: string;
  name: string;
  settings: StorageSettings;
  created_at: Date;
}

export class StoragesService {
  constructor(
    private readonly database: ServiceDatabase,
    private readonly outbox: Outbox,
    private readonly config: StorageConfig,
    private readonly cursors: Cursors,
  ) {}

  async create(principal: Principal, request: CreateStorage): Promise<Storage> {
    const settings: StorageSettings = {
      ...request.settings,
      path: await prepareLocalFolder(request.settings.path, this.config.RAHAT_DATA_FOLDER),
    };
    const store = openBlobStore(settings, '');
    if ((await store.stat('rahat.json')) !== undefined) {
      throw new RahatError('repository_exists', `${settings.path} is itself a repository.`, {
        hint: 'Give the folder above it; its repositories are folders in it.',
      });
    }
    const look = (transaction: Transaction) => refuseOverlap(transaction, principal.organization, settings.path);
    await this.database.asSystem('look for storages on the same folder', look);
    await probeStorage(store);
    // Seen again under a lock: of two requests for one folder only one may win.
    return this.database.asSystem('make a storage on a folder of its own', async (transaction) => {
      await transaction.query(`SELECT pg_advisory_xact_lock(hashtextextended('rahat.storage.folders', 0))`);
      await look(transaction);
      return present(await this.insert(transaction, principal, request.name, settings));
    });
  }

  private async insert(transaction: Transaction, principal: Principal, name: string, settings: StorageSettings): Promise<StorageRow> {
    const [created] = await transaction.query<StorageRow>(
      `INSERT INTO storages (id, organization_id, name, settings) VALUES ($1, $2, $3, $4) ON CONFLICT (organization_id, name) DO NOTHING RETURNING *`,
      [newId('storage'), principal.organization, name, JSON.stringify(settings)],
    );
    if (created === undefined)
      throw new RahatError('conflict', `There is a storage named "${name}" already.`, { hint: 'Choose another name.' });
    await recordAct(this.outbox, transaction, {
      organization: principal.organization,
      actor: actorOf(principal),
      action: 'storage.created',
      target: { kind: 'storage', id: created.id, name: created.name },
      details: { settings },
      request: principal.requestId,
    });
    return created;
  }

  async list(principal: Principal, page: PageQuery): Promise<Page<Storage>> {
    const after = page.cursor === undefined ? null : this.cursors.decode(page.cursor, Position)[1];
    const rows = await this.database.inOrganization(principal.organization, (transaction) =>
      transaction.query<StorageRow>(`SELECT * FROM storages WHERE ($1::text IS NULL OR id < $1) ORDER BY id DESC LIMIT $2`, [
        after,
        page.limit + 1,
      ]),
    );
    const data = await Promise.all(rows.slice(0, page.limit).map(present));
    const hasMore = rows.length > page.limit;
    return { data, page: { nextCursor: hasMore ? this.cursors.encode(['storages', data.at(-1)!.id]) : null, hasMore } };
  }

  async get(principal: Principal, id: string): Promise<Storage> {
    return present(await this.database.inOrganization(principal.organization, (transaction) => storageOf(transaction, id)));
  }
}

/** Across organizations: two tenants on one folder would see each other's free space, names and traffic. */
async function refuseOverlap(transaction: Transaction, organization: string, folder: string): Promise<void> {
  const rows = await transaction.query<StorageRow>(`SELECT * FROM storages WHERE settings ->> 'driver' = 'local'`);
  const other = rows.find((row) => isInside(folder, row.settings.path) || isInside(row.settings.path, folder));
  if (other === undefined) return;
  const which = other.organization_id === organization ? `The storage "${other.name}" (${other.settings.path})` : 'Another storage';
  throw new RahatError('conflict', `${which} uses this folder, one in it or one above it.`, {
    hint: 'Use that storage, or another folder.',
  });
}

export async function storageOf(transaction: Transaction, id: string): Promise<StorageRow> {
  const [row] = await transaction.query<StorageRow>(`SELECT * FROM storages WHERE id = $1`, [id]);
  if (row === undefined) throw new RahatError('not_found', 'There is no such storage.');
  return row;
}

async function present(row: StorageRow): Promise<Storage> {
  const space = await spaceOf(row.settings.path);
  return {
    id: row.id,
    name: row.name,
    settings: row.settings,
    createdAt: row.created_at.toISOString(),
    freeBytes: space?.freeBytes ?? null,
    totalBytes: space?.totalBytes ?? null,
  };
}
