import { RahatError } from '@rahat/contracts';
import { throwIfCancelled } from '../bounded-store.js';
import type { RepositoryContext } from '../context.js';
import { snapshotName, SNAPSHOTS_PREFIX, TRASH_PREFIX } from '../layout.js';
import { isLogId, manifestIdOf } from '../manifests/manifest-ids.js';
import { openManifest } from '../snapshots/manifest-files.js';
import type { CatalogEntry, CatalogOptions } from './catalog-entries.js';

/** Manifests that are fetched at the same time; a storage far away answers each of them slowly. */
const AT_ONCE = 8;

export interface ListedManifest {
  name: string;
  storedAt: Date;
}

/**
 * What stands under snapshots/, then under trash/, by id: all of it is in the manifests, so a catalog that was lost can be made anew.
 * Memory: a few manifests, however many there are.
 */
export async function* readCatalog(context: RepositoryContext, { after, signal }: CatalogOptions): AsyncGenerator<CatalogEntry> {
  const ahead: Promise<CatalogEntry | undefined>[] = [];
  for await (const listed of manifestsAfter(context, after)) {
    throwIfCancelled(signal);
    const entry = readEntry(context, listed, signal);
    // Whoever awaits it sees the error; one that is never come to must not end the process.
    entry.catch(() => undefined);
    ahead.push(entry);
    if (ahead.length < AT_ONCE) continue;
    const oldest = await ahead.shift();
    if (oldest) yield oldest;
  }
  for (const entry of ahead) {
    const next = await entry;
    if (next) yield next;
  }
}

async function* manifestsAfter({ store }: RepositoryContext, after: string | undefined): AsyncGenerator<ListedManifest> {
  for (const prefix of [SNAPSHOTS_PREFIX, TRASH_PREFIX]) {
    for await (const { name, modifiedAt } of store.list(prefix)) {
      const isWanted = after === undefined || name > after;
      if (isWanted && !isLogId(manifestIdOf(name))) yield { name, storedAt: modifiedAt };
    }
  }
}

/** undefined where it was moved or purged since it was listed. */
export async function readEntry(
  context: RepositoryContext,
  { name, storedAt }: ListedManifest,
  signal: AbortSignal | undefined,
): Promise<CatalogEntry | undefined> {
  const { store } = context;
  const place = name.startsWith(TRASH_PREFIX) ? 'trash' : 'snapshots';
  const id = name.slice(name.indexOf('/') + 1);
  try {
    // What stands in both places isn't removed.
    if (place === 'trash' && (await store.stat(snapshotName(id), { signal }))) return undefined;
    const { objects, ...facts } = openManifest(context, id, await store.get(name, undefined, { signal }));
    const lockedUntil = store.capabilities.objectLock ? (await store.stat(name, { signal }))?.lockedUntil : undefined;
    const rows = objects.reduce((sum, object) => sum + (object.rows ?? 0), 0);
    return { ok: true, id, place, storedAt, ...(lockedUntil ? { lockedUntil } : {}), facts, objects: objects.length, rows };
  } catch (error) {
    if (!(error instanceof RahatError)) throw error;
    if (error.code === 'blob_not_found') return undefined;
    if (error.code.startsWith('repository_')) return { ok: false, id, place, storedAt, error };
    // A storage that doesn't answer is no statement about the snapshot.
    throw error;
  }
}
