import { RahatError } from '@rahat/contracts';
import type { RepositoryContext } from '../context.js';
import { SNAPSHOTS_PREFIX } from '../layout.js';
import type { SnapshotListing } from '../repository.js';
import { readManifest } from './manifest-files.js';
import type { Manifest } from './manifest.js';

/** Manifests are kept between the pass that finds their order and the one that yields them, up to this many objects. */
const MAX_KEPT_OBJECTS = 50_000;
const MIN_PREFIX_LENGTH = 8;

/** Every manifest, oldest first by the time of its commit; a damaged one comes as its error. */
export async function* listSnapshots(context: RepositoryContext): AsyncGenerator<SnapshotListing> {
  const order: { id: string; storedAt: Date; createdAtMs: number; kept?: SnapshotListing }[] = [];
  let keptObjects = 0;
  for await (const { name, modifiedAt } of context.store.list(SNAPSHOTS_PREFIX)) {
    const id = name.slice(SNAPSHOTS_PREFIX.length);
    const listing = await readListing(context, id, modifiedAt);
    if (!listing) continue;
    const createdAtMs = listing.ok ? Date.parse(listing.manifest.createdAt) : modifiedAt.getTime();
    keptObjects += listing.ok ? listing.manifest.objects.length : 0;
    order.push({ id, storedAt: modifiedAt, createdAtMs, kept: keptObjects <= MAX_KEPT_OBJECTS ? listing : undefined });
  }
  order.sort((a, b) => a.createdAtMs - b.createdAtMs || (a.id < b.id ? -1 : 1));
  for (const { id, storedAt, kept } of order) {
    const listing = kept ?? (await readListing(context, id, storedAt));
    if (listing) yield listing;
  }
}

/** undefined when retention took the snapshot away in the meantime. */
async function readListing(context: RepositoryContext, id: string, storedAt: Date): Promise<SnapshotListing | undefined> {
  try {
    return { ok: true, id, storedAt, manifest: await readManifest(context, id) };
  } catch (error) {
    if (!(error instanceof RahatError)) throw error;
    if (error.code === 'blob_not_found') return undefined;
    if (error.code.startsWith('repository_')) return { ok: false, id, error };
    // A storage that doesn't answer is no statement about the snapshot.
    throw error;
  }
}

export async function findSnapshot(context: RepositoryContext, wanted: string): Promise<Manifest> {
  if (wanted === 'latest') return findLatest(context);
  const matches: string[] = [];
  for await (const { name } of context.store.list(SNAPSHOTS_PREFIX)) {
    const id = name.slice(SNAPSHOTS_PREFIX.length);
    if (id === wanted) return readListed(context, id);
    // Ids are prefixed ("backup_…"), and people copy the part that differs.
    const bare = id.slice(id.indexOf('_') + 1);
    if (wanted.length >= MIN_PREFIX_LENGTH && (id.startsWith(wanted) || bare.startsWith(wanted))) matches.push(id);
  }
  if (matches.length === 1) return readListed(context, matches[0]!);
  if (matches.length > 1)
    throw new RahatError('snapshot_not_found', `${matches.length} snapshots begin with ${wanted}; give more of the id.`);
  throw new RahatError('snapshot_not_found', `There is no snapshot ${wanted} in this repository.`);
}

/** It may be taken away after it was listed. */
async function readListed(context: RepositoryContext, id: string): Promise<Manifest> {
  try {
    return await readManifest(context, id);
  } catch (error) {
    if (!(error instanceof RahatError) || error.code !== 'blob_not_found') throw error;
    throw new RahatError('snapshot_not_found', `Snapshot ${id} was taken away just now.`, { cause: error });
  }
}

/** Never an older one in the place of a damaged one: who asks for the latest would take its age for granted. */
async function findLatest(context: RepositoryContext): Promise<Manifest> {
  let latest: SnapshotListing | undefined;
  for await (const listing of listSnapshots(context)) latest = listing;
  if (!latest) throw new RahatError('snapshot_not_found', 'The repository holds no snapshot yet.');
  if (latest.ok) return latest.manifest;
  throw new RahatError('repository_damaged', `The latest snapshot, ${latest.id}, is damaged: ${latest.error.message}`, {
    cause: latest.error,
    hint: 'Older snapshots are not affected; name one by its id.',
  });
}
