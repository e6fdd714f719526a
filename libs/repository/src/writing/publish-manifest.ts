import { isDeepStrictEqual } from 'node:util';
import { RahatError } from '@rahat/contracts';
import type { RepositoryContext } from '../context.js';
import type { Lease } from '../leases/lease.js';
import { called, isLogId, standingName } from '../manifests/manifest-ids.js';
import { takeBackUnlessWhole } from './late-manifest.js';

/** How long a call that was given up may take until it has its effect, on a process that runs again. */
const LANDING_MS = 1000;
/** Somebody else must make the name free for each of them. */
const MOST_TRIES = 3;

/** A manifest that is about to stand under its name, and how another one of that name is judged. */
export interface Publication<M = unknown> {
  /** Of the manifest (`manifests/manifest-ids.ts`). */
  id: string;
  manifest: M;
  /** Sealed once, so that a repetition puts the same bytes. */
  file: Buffer;
  open(file: Buffer): M;
  /** Apart from what each try makes anew. */
  isSameContent(other: M): boolean;
}

/**
 * The commit (repository.md §7.4–5): its packs and index segments are stored by now. Gives the manifest that stands afterwards:
 * this one, or an earlier one of the same id and content.
 */
export async function publishManifest<M>(
  context: RepositoryContext,
  lease: Lease,
  publication: Publication<M>,
  signal?: AbortSignal,
): Promise<M> {
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const published = await tryToPublish(context, lease, publication, signal);
    if (published) return published;
  }
  throw manifestConflict(publication.id);
}

/** undefined where the name was taken when the manifest was put, and is free again: another one was taken back, or merged. */
async function tryToPublish<M>(
  context: RepositoryContext,
  lease: Lease,
  publication: Publication<M>,
  signal: AbortSignal | undefined,
): Promise<M | undefined> {
  const { id, manifest, file } = publication;
  const name = standingName(id);
  const { store, protocol } = context;
  const { conditionalPut } = store.capabilities;
  // Of the many commits of a log nearly each is new: the put's own condition tells what a look beforehand would, and saves a call.
  const standing = isLogId(id) && conditionalPut ? undefined : await adoptableManifest(context, publication);
  if (standing) return await adopt(lease, standing);
  await lease.assertStored();
  // Without conditional puts whoever was stopped in the last call would put over what another worker has committed meanwhile.
  const another = conditionalPut ? undefined : await adoptableManifest(context, publication);
  if (another) return await adopt(lease, another);
  try {
    await store.put(name, file, { ifAbsent: conditionalPut, signal });
  } catch (error) {
    if (!(error instanceof RahatError) || error.code !== 'blob_exists') {
      await takeBackWhatCameLate(context, lease, { id, file });
      throw error;
    }
    const other = await standingManifest(context, publication);
    return other && (await adopt(lease, other));
  }
  if (!protocol.manifestSeenBeforeSuccess || (isLogId(id) && !protocol.logsSeenWithinLease)) return manifest;
  const stat = await store.stat(name);
  if (stat === undefined)
    throw new RahatError('storage_unreachable', `Storage ${store.description} accepted ${called(id)} but does not show it.`);
  // Without conditional puts a second writer of this id may have looked before and put after us: what stands there decides,
  // and is not ours to take back.
  if (!conditionalPut) await standingManifest(context, publication);
  if (!lease.covers(stat.modifiedAt) && protocol.manifestWithinLease) {
    await takeBackUnlessWhole(context, id);
    throw new RahatError('lease_lost', `The ${called(id)} was stored after the session's lease had run out; it does not count.`);
  }
  return manifest;
}

/**
 * A put without an answer lands when the lease has run out where the process was stopped in it: nobody may count on that manifest,
 * because a collection may have deleted what it needs. While the lease is held a repetition may still commit it.
 */
async function takeBackWhatCameLate(context: RepositoryContext, lease: Lease, { id, file }: { id: string; file: Buffer }): Promise<void> {
  const { store, clock } = context;
  if (lease.isHeld()) return;
  await new Promise<void>((resolve) => clock.after(LANDING_MS, resolve));
  try {
    // Somebody else's of the same id is not ours to take away.
    if ((await store.get(standingName(id))).equals(file)) await takeBackUnlessWhole(context, id);
  } catch {
    // The put's own error is the one that matters.
  }
}

/** The manifest was seen before the lease: who judges the lease dead later on finds the manifest (repository.md §8). */
async function adopt<M>(lease: Lease, standing: M): Promise<M> {
  await lease.assertStored();
  return standing;
}

/** What a repetition, or whoever comes second, takes for its own. */
async function adoptableManifest<M>(context: RepositoryContext, publication: Publication<M>): Promise<M | undefined> {
  return context.protocol.standingManifestsAdopted ? standingManifest(context, publication) : undefined;
}

/** A manifest of this id that holds the same content; another content is a conflict. */
async function standingManifest<M>(context: RepositoryContext, publication: Publication<M>): Promise<M | undefined> {
  const name = standingName(publication.id);
  if ((await context.store.stat(name)) === undefined) return undefined;
  const file = await context.store.get(name).catch(vanished);
  if (!file) return undefined;
  const standing = publication.open(file);
  if (!publication.isSameContent(standing) && context.protocol.conflictsCompared) throw manifestConflict(publication.id);
  return standing;
}

/** Taken back or merged since it was looked for. */
function vanished(error: unknown): undefined {
  if (!(error instanceof RahatError) || error.code !== 'blob_not_found') throw error;
}

/** As JSON keeps it. */
export function areSame(a: object, b: object): boolean {
  const kept = (content: object): unknown => JSON.parse(JSON.stringify(content));
  return isDeepStrictEqual(kept(a), kept(b));
}

export function manifestConflict(id: string): RahatError {
  return new RahatError('conflict', `There is a ${called(id)} with other content already.`);
}
