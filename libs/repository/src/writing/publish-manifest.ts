import { isDeepStrictEqual } from 'node:util';
import { RahatError } from '@rahat/contracts';
import { examineRepository } from '../check/check.js';
import type { RepositoryContext } from '../context.js';
import { snapshotName } from '../layout.js';
import type { Lease } from '../leases/lease.js';
import { untilListed } from '../listing-lag.js';
import { readManifest } from '../snapshots/manifest-files.js';
import { SnapshotFacts, type Manifest, type StoredObject } from '../snapshots/manifest.js';

/** How long a call that was given up may take until it has its effect, on a process that runs again. */
const LANDING_MS = 1000;

export interface PreparedManifest {
  manifest: Manifest;
  /** Sealed once, so that a repetition puts the same bytes. */
  file: Buffer;
}

/**
 * The commit (repository.md §7.4–5): its packs and index segments are stored by now. Gives the manifest that stands afterwards:
 * this one, or an earlier one of the same id and content.
 */
export async function publishManifest(
  context: RepositoryContext,
  lease: Lease,
  { manifest, file }: PreparedManifest,
  signal?: AbortSignal,
): Promise<Manifest> {
  const name = snapshotName(manifest.snapshot);
  const { store, protocol } = context;
  const { conditionalPut } = store.capabilities;
  const standing = await adoptableManifest(context, manifest);
  if (standing) return await adopt(lease, standing);
  await lease.assertStored();
  // Without conditional puts whoever was stopped in the last call would put over what another worker has committed meanwhile.
  const another = conditionalPut ? undefined : await adoptableManifest(context, manifest);
  if (another) return await adopt(lease, another);
  try {
    await store.put(name, file, { ifAbsent: conditionalPut, signal });
  } catch (error) {
    if (!(error instanceof RahatError) || error.code !== 'blob_exists') {
      await takeBackWhatCameLate(context, lease, { manifest, file });
      throw error;
    }
    const other = await standingManifest(context, manifest);
    if (other) return await adopt(lease, other);
    throw snapshotConflict(manifest.snapshot);
  }
  if (!protocol.manifestSeenBeforeSuccess) return manifest;
  const stat = await store.stat(name);
  if (stat === undefined)
    throw new RahatError(
      'storage_unreachable',
      `Storage ${store.description} accepted snapshot ${manifest.snapshot} but does not show it.`,
    );
  // Without conditional puts a second writer of this id may have looked before and put after us: what stands there decides,
  // and is not ours to take back.
  if (!conditionalPut) await standingManifest(context, manifest);
  if (!lease.covers(stat.modifiedAt) && protocol.manifestWithinLease) {
    await takeBack(context, manifest.snapshot);
    throw new RahatError(
      'lease_lost',
      `Snapshot ${manifest.snapshot} was stored after the session's lease had run out; it does not count.`,
    );
  }
  return manifest;
}

/**
 * A put without an answer lands when the lease has run out where the process was stopped in it: nobody may count on that snapshot,
 * because a collection may have deleted what it needs. While the lease is held a repetition may still commit it.
 */
async function takeBackWhatCameLate(context: RepositoryContext, lease: Lease, { manifest, file }: PreparedManifest): Promise<void> {
  const { store, clock } = context;
  if (lease.isHeld()) return;
  await new Promise<void>((resolve) => clock.after(LANDING_MS, resolve));
  try {
    // Somebody else's of the same id is not ours to take away.
    if ((await store.get(snapshotName(manifest.snapshot))).equals(file)) await takeBack(context, manifest.snapshot);
  } catch {
    // The put's own error is the one that matters.
  }
}

/**
 * Without conditional puts this manifest may stand in the place of another worker's, of the same content, whose success was
 * reported. Such a one is whole, and one that is whole does no harm.
 */
async function takeBack(context: RepositoryContext, snapshotId: string): Promise<void> {
  const { store, protocol } = context;
  if (!store.capabilities.conditionalPut && protocol.wholeManifestsStay && (await isWhole(context, snapshotId))) return;
  await store.remove(snapshotName(snapshotId));
}

/** Or not known to be otherwise. */
async function isWhole(context: RepositoryContext, snapshotId: string): Promise<boolean> {
  try {
    // Listings that lag don't show yet what the other worker stored for it.
    await untilListed(context);
    return (await examineRepository(context, { level: 'structure', snapshots: [snapshotId] })).report.healthy;
  } catch {
    return true;
  }
}

/** The manifest was seen before the lease: who judges the lease dead later on finds the manifest (repository.md §8). */
async function adopt(lease: Lease, standing: Manifest): Promise<Manifest> {
  await lease.assertStored();
  return standing;
}

/** What a repetition, or whoever comes second, takes for its own. */
async function adoptableManifest(context: RepositoryContext, manifest: Manifest): Promise<Manifest | undefined> {
  return context.protocol.standingManifestsAdopted ? standingManifest(context, manifest) : undefined;
}

/** A snapshot of this id that holds the same content; another content is a conflict. */
async function standingManifest(context: RepositoryContext, manifest: Manifest): Promise<Manifest | undefined> {
  if ((await context.store.stat(snapshotName(manifest.snapshot))) === undefined) return undefined;
  const standing = await readManifest(context, manifest.snapshot);
  if (!sameContent(standing, manifest) && context.protocol.conflictsCompared) throw snapshotConflict(manifest.snapshot);
  return standing;
}

/** Apart from what each try makes anew. */
export function sameContent(a: SnapshotFacts & { objects: StoredObject[] }, b: SnapshotFacts & { objects: StoredObject[] }): boolean {
  const content = (manifest: SnapshotFacts & { objects: StoredObject[] }): unknown =>
    JSON.parse(JSON.stringify({ ...SnapshotFacts.parse(manifest), objects: manifest.objects }));
  return isDeepStrictEqual(content(a), content(b));
}

export function snapshotConflict(snapshotId: string): RahatError {
  return new RahatError('conflict', `There is a snapshot ${snapshotId} with other content already.`);
}
