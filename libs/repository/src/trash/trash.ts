import type { BlobStat } from '@rahat/blob-store-port';
import { RahatError } from '@rahat/contracts';
import type { RepositoryContext } from '../context.js';
import { TRASH_PREFIX, trashName } from '../layout.js';
import { Lease } from '../leases/lease.js';
import { removeUnlessLocked } from '../object-lock/refused-removals.js';
import { assertNotBeingMerged } from '../logs/awaited-merge.js';
import { openAnyManifest } from '../manifests/any-manifest.js';
import { assertManifestId, called, isLogId, manifestIdOf, standingName } from '../manifests/manifest-ids.js';
import { takeBackUnlessWhole } from '../writing/late-manifest.js';

/**
 * Retention's step; collection still counts the snapshot as live until it is purged from trash/. Repeating it completes it. An undo
 * isn't done between its two steps (`restoreFromTrash`); where somebody else's removal was undone meanwhile, the snapshot stays.
 */
export async function moveToTrash(context: RepositoryContext, id: string): Promise<void> {
  assertManifestId(id);
  const { store, clock, leaseTtlMs } = context;
  const file = await manifestToMove(context, id, standingName(id), trashName(id));
  if (!file) return;
  await assertUnlocked(context, id);
  const beganMs = clock.monotonicMs();
  await store.put(trashName(id), file);
  const trashed = await store.stat(trashName(id));
  const standing = await store.stat(standingName(id));
  // An undo was faster: it takes the copy out of the trash, and puts the manifest anew.
  if (!trashed || (standing && standing.modifiedAt > trashed.modifiedAt)) return;
  const removingMs = clock.monotonicMs();
  // From twice this time on an undo takes the removal for broken off.
  if (removingMs - beganMs > leaseTtlMs / 2)
    throw new RahatError('lease_lost', `The removal of ${called(id)} was held up for too long; repeat it.`);
  await store.remove(standingName(id));
  // An undo between the two took the copy out of the trash, and none would be left. Much later it is the collector who took it.
  const broughtBack = (await store.stat(trashName(id))) === undefined && clock.monotonicMs() - removingMs < leaseTtlMs / 2;
  if (broughtBack) await putBack(context, id, file, trashed);
}

/**
 * Only the storage's clock tells a process that was suspended that the collector may have been here. Within a lease's life no
 * collection deletes what it condemned since. A lease asks for the time before the put, too: a manifest that is put too late may
 * stay where its process can't take it away any more.
 */
async function putBack(context: RepositoryContext, id: string, file: Buffer, trashed: BlobStat): Promise<void> {
  const { store, leaseTtlMs, protocol } = context;
  const inTime = (atMs: number): boolean => atMs - trashed.modifiedAt.getTime() <= leaseTtlMs;
  const isTimed = store.capabilities.serverTime && protocol.putBackInTime;
  const lease = await Lease.take(context, 'writer', 'snapshot that was brought back while it was removed');
  try {
    if (isTimed && !inTime(lease.beganAtMs)) return;
    // The undo came after the removal, and its manifest is not ours to replace.
    if (await store.stat(standingName(id))) return;
    await store.put(standingName(id), file);
    if (!isTimed) return;
    const stat = await store.stat(standingName(id));
    if (stat && !inTime(stat.modifiedAt.getTime())) await store.remove(standingName(id));
  } finally {
    await lease.release().catch(() => undefined);
  }
}

/**
 * Undoes it. The trash may be purged at this moment, so the snapshot counts as restored only if its manifest was put back under a
 * lease: no collection deletes what a session that is older than its decision may bring back (repository.md §8). While the removal
 * itself may be under way it is refused as a `conflict`: the removal's last step would take away what was brought back.
 */
export async function restoreFromTrash(context: RepositoryContext, id: string): Promise<void> {
  assertManifestId(id);
  const lease = context.protocol.undoUnderLease ? await Lease.take(context, 'writer', 'undo of a removal') : undefined;
  try {
    const file = await manifestToMove(context, id, trashName(id), standingName(id));
    if (!file) return;
    const standing = await context.store.stat(standingName(id));
    const nowMs = lease?.beganAtMs ?? context.clock.now().getTime();
    if (standing) await assertNotUnderWay(context, id, { standing, nowMs });
    if (isLogId(id)) await assertNotBeingMerged(context, id, nowMs);
    await lease?.assertStored();
    await context.store.put(standingName(id), file);
    const stat = await context.store.stat(standingName(id));
    if (!stat)
      throw new RahatError('storage_unreachable', `Storage ${context.store.description} does not show ${called(id)}, which it accepted.`);
    if (lease && !lease.covers(stat.modifiedAt) && context.protocol.undoWithinLease) {
      // Another undo may have been done meanwhile, and have taken the copy out of the trash.
      await takeBackUnlessWhole(context, id);
      throw new RahatError('lease_lost', `The ${called(id)} was put back too late to be sure that it is whole; repeat the undo.`);
    }
    // The copy of a removal that was never completed stays until its time is over, in case that its process is not dead but asleep.
    if (!standing) await context.store.remove(trashName(id));
  } finally {
    await lease?.release().catch(() => undefined);
  }
}

/** A removal has put its copy into the trash, and not yet taken the manifest away. Of an undo the manifest is the younger one. */
async function assertNotUnderWay(
  { store, leaseTtlMs, protocol }: RepositoryContext,
  id: string,
  { standing, nowMs }: { standing: BlobStat; nowMs: number },
): Promise<void> {
  const trashed = await store.stat(trashName(id));
  if (!trashed || standing.modifiedAt >= trashed.modifiedAt || !protocol.undoAwaitsRemoval) return;
  const brokenOffAtMs = trashed.modifiedAt.getTime() + leaseTtlMs;
  if (nowMs > brokenOffAtMs) return;
  throw new RahatError('conflict', `The removal of ${called(id)} is still under way; it can be undone when it is done.`, {
    hint: `Repeat the undo in a moment; should the removal have been broken off, after ${new Date(brokenOffAtMs).toISOString()}.`,
    retryable: true,
  });
}

/** Asked beforehand, so that no copy is left in the trash of what can't be removed. */
async function assertUnlocked({ store, clock }: RepositoryContext, id: string): Promise<void> {
  if (!store.capabilities.objectLock) return;
  const { lockedUntil } = (await store.stat(standingName(id))) ?? {};
  if (lockedUntil && lockedUntil > clock.now())
    throw new RahatError('storage_locked', `The ${called(id)} is locked until ${lockedUntil.toISOString()} and stays until then.`);
}

/** undefined where it has arrived already. */
async function manifestToMove(context: RepositoryContext, id: string, from: string, to: string): Promise<Buffer | undefined> {
  try {
    const file = await context.store.get(from);
    openAnyManifest(context, id, file);
    return file;
  } catch (error) {
    if (!(error instanceof RahatError) || error.code !== 'blob_not_found') throw error;
    if (await context.store.stat(to)) return undefined;
    throw new RahatError('snapshot_not_found', `There is no ${called(id)} in this repository.`);
  }
}

/** Takes away what lies in the trash for longer than its removal can be undone, or only tells it. Gives the manifests' ids. */
export async function purgeTrash(context: RepositoryContext, olderThanMs: number, options: { dryRun: boolean }): Promise<string[]> {
  const purged: string[] = [];
  for await (const { name } of context.store.list(TRASH_PREFIX)) {
    // Asked again, because it may have been brought back and removed anew since the listing.
    const stat = await context.store.stat(name);
    if (!stat || stat.modifiedAt.getTime() > olderThanMs) continue;
    if (!options.dryRun && !(await removeUnlessLocked(context.store, name))) continue;
    const id = manifestIdOf(name);
    // What stands isn't removed: its removal was broken off, and perhaps undone.
    if (!(await context.store.stat(standingName(id)))) purged.push(id);
  }
  return purged;
}
