import { RahatError } from '@rahat/contracts';
import { throwIfCancelled } from '../bounded-store.js';
import type { RepositoryContext } from '../context.js';
import { inOrder } from '../frames/in-order.js';
import type { RepositoryIndex } from '../index/repository-index.js';
import type { Lease } from '../leases/lease.js';
import { untilListed } from '../listing-lag.js';
import type { LogManifest } from '../logs/log-manifest.js';
import { openLog } from '../logs/log-files.js';
import { contains, continues, coveredLogs, mergeLogs, PIECES_TO_MERGE } from '../logs/log-merging.js';
import { logIdOf, logPlace, streamOf } from '../logs/log-names.js';
import { logPublication } from '../logs/log-publication.js';
import type { ListedManifest } from '../manifests/listed-manifests.js';
import { isLogId } from '../manifests/manifest-ids.js';
import { removeUnlessLocked } from '../object-lock/refused-removals.js';
import { FrameSource } from '../reading/frame-source.js';
import { recipeReader } from '../reading/recipe-reader.js';
import { recipeChunks, toReferences, type ChunkReference } from '../snapshots/recipes.js';
import { publishManifest } from '../writing/publish-manifest.js';

interface MergedView {
  index: RepositoryIndex;
  condemned: ReadonlySet<string>;
}

const AT_ONCE = 8;
/** Manifests of single commits are small. */
const READ_AT_ONCE = 64;

/** Gives how many manifests became part of another one. */
export async function mergeSmallLogs(
  context: RepositoryContext,
  lease: Lease,
  view: MergedView & { manifests: ListedManifest[] },
  signal: AbortSignal | undefined,
): Promise<number> {
  const merger = new LogMerger(context, lease, view, signal);
  await merger.mergeAll(view.manifests);
  return merger.merged;
}

/**
 * Makes one manifest of many small ones of a log, without touching their data. The merged one is committed like any other, under the
 * collector's lease; only then its pieces go. Broken off anywhere, every commit is in some manifest that stands; two at once leave
 * manifests that contain each other, of which the next call removes the smaller ones.
 */
class LogMerger {
  merged = 0;
  private readonly readRecipe: ReturnType<typeof recipeReader>;

  constructor(
    private readonly context: RepositoryContext,
    private readonly lease: Lease,
    private readonly view: MergedView,
    private readonly signal: AbortSignal | undefined,
  ) {
    this.readRecipe = recipeReader(new FrameSource(context, view.index), signal);
  }

  async mergeAll(manifests: ListedManifest[]): Promise<void> {
    const standing = manifests.filter(({ id, name }) => isLogId(id) && name === id);
    for (const logs of Map.groupBy(standing, ({ id }) => streamOf(id)).values()) {
      if (logs.length < 2) continue;
      await this.removeContained(logs.map(({ id }) => id));
      await this.mergeStream(logs.toSorted((a, b) => (a.id < b.id ? -1 : 1)));
    }
  }

  private async mergeStream(logs: ListedManifest[]): Promise<void> {
    let pieces: LogManifest[] = [];
    for (let at = 0; at < logs.length; at += READ_AT_ONCE) {
      const batch = inOrder(logs.slice(at, at + READ_AT_ONCE), AT_ONCE, (log) => this.readMergeable(log));
      // Nothing is read ahead while manifests are put and removed: what is under way stays within its bounds.
      for (const next of await Array.fromAsync(batch)) {
        const isSafe = next !== undefined && (await this.isSafe(next));
        if (isSafe && pieces.length > 0 && continues(pieces, next)) {
          pieces.push(next);
          continue;
        }
        await this.merge(pieces);
        pieces = isSafe ? [next] : [];
      }
    }
    await this.merge(pieces);
  }

  private async merge(pieces: LogManifest[]): Promise<void> {
    if (pieces.length < PIECES_TO_MERGE) return;
    const { protocol } = this.context;
    const publication = logPublication(this.context, mergeLogs(pieces));
    const ids = pieces.map((piece) => logIdOf(piece.stream, piece));
    if (!protocol.mergedBeforeRemoving) await this.removePieces(ids);
    try {
      await publishManifest(this.context, this.lease, publication, this.signal);
    } catch (error) {
      // A follower has committed another content from the one end to the other.
      if (error instanceof RahatError && error.code === 'conflict') return;
      throw error;
    }
    await untilListed(this.context);
    // Taken away while it was merged: listings that pass the stream now would see neither it nor, perhaps, the merged one.
    if (!(await this.context.store.stat(ids[0]!))) return;
    if (await this.context.store.stat(publication.id)) await this.removePieces(ids);
  }

  /** What an earlier call, or another collector, has merged, and not removed. */
  private async removeContained(ids: string[]): Promise<void> {
    const { store, protocol } = this.context;
    for (const [wholeId, pieces] of Map.groupBy(coveredLogs(ids.map(logPlace)), ({ whole }) => whole.id)) {
      const standing = await store.stat(wholeId);
      const whole = standing && this.isSettled(standing.modifiedAt) ? await this.read(wholeId) : undefined;
      if (!whole || !(await this.isSafe(whole))) continue;
      const contained: string[] = [];
      for (const { piece } of pieces) {
        throwIfCancelled(this.signal);
        const manifest = (await this.isLocked(piece.id)) ? undefined : await this.read(piece.id);
        if (manifest && (contains(whole, manifest) || !protocol.coveredLogsCompared)) contained.push(piece.id);
      }
      if (await store.stat(wholeId)) await this.removePieces(contained);
    }
  }

  /**
   * The first one first: beside it the merged one is listed, so whoever misses the others misses it too, and lists again. What isn't done
   * in time stays for the next call: an undo of a removal counts on it.
   */
  private async removePieces(ids: string[]): Promise<void> {
    const { clock, leaseTtlMs } = this.context;
    const beganMs = clock.monotonicMs();
    const [first, ...others] = ids;
    if (first === undefined) return;
    await this.remove(first);
    for (let at = 0; at < others.length && clock.monotonicMs() - beganMs < leaseTtlMs / 2; at += AT_ONCE)
      await Promise.all(others.slice(at, at + AT_ONCE).map((id) => this.remove(id)));
  }

  private async remove(id: string): Promise<void> {
    throwIfCancelled(this.signal);
    this.lease.assertHeld();
    if (await removeUnlessLocked(this.context.store, id, { signal: this.signal })) this.merged++;
  }

  private async readMergeable({ id, storedAt }: ListedManifest): Promise<LogManifest | undefined> {
    throwIfCancelled(this.signal);
    if (!this.isSettled(storedAt) || (await this.isLocked(id))) return undefined;
    return this.read(id);
  }

  /** Its follower has long heard of its commit or given it up, and no listing is under way that was begun before it. */
  private isSettled(storedAt: Date): boolean {
    return storedAt.getTime() < this.lease.serverTimeAtLeastMs() - 2 * this.context.leaseTtlMs;
  }

  private async isLocked(id: string): Promise<boolean> {
    const { store, clock } = this.context;
    if (!store.capabilities.objectLock) return false;
    const { lockedUntil } = (await store.stat(id)) ?? {};
    return lockedUntil !== undefined && lockedUntil > clock.now();
  }

  /**
   * All that it needs lies where nobody is about to delete it, and this lease keeps it there. One that was put too late by a follower that
   * had lost its lease may lack something, and must not spoil what it would be merged with.
   */
  private async isSafe({ objects }: LogManifest): Promise<boolean> {
    const { index, condemned } = this.view;
    const isHome = ({ id }: ChunkReference): boolean => {
      const home = index.chunks.get(id);
      const pack = home && index.packs[home.pack];
      return pack !== undefined && !condemned.has(pack.hash);
    };
    for (const { recipe } of objects) {
      if ('recipeChunks' in recipe && !toReferences(recipe.recipeChunks).every(isHome)) return false;
      for await (const chunk of recipeChunks(recipe, this.readRecipe)) if (!isHome(chunk)) return false;
    }
    return true;
  }

  private async read(id: string): Promise<LogManifest | undefined> {
    try {
      return openLog(this.context, id, await this.context.store.get(id));
    } catch (error) {
      if (error instanceof RahatError && (error.code === 'blob_not_found' || error.code.startsWith('repository_'))) return undefined;
      throw error;
    }
  }
}
