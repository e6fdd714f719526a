import { RahatError } from '@rahat/contracts';
import { throwIfCancelled } from '../bounded-store.js';
import type { RepositoryContext } from '../context.js';
import type { RepositoryIndex } from '../index/repository-index.js';
import { LOGS_PREFIX, SNAPSHOTS_PREFIX, TRASH_PREFIX, trashName } from '../layout.js';
import { openAnyManifest, type AnyManifest } from '../manifests/any-manifest.js';
import { listMovingManifests, ManifestRounds, type ListedManifest } from '../manifests/listed-manifests.js';
import { called, isLogId, standingName } from '../manifests/manifest-ids.js';
import { FrameSource } from '../reading/frame-source.js';
import { recipeReader } from '../reading/recipe-reader.js';
import type { StoredObject } from '../snapshots/manifest.js';
import { recipeChunks, toReferences, type ChunkReference } from '../snapshots/recipes.js';

/** Which chunks the snapshots and logs need, as one bit for each row of the index, and how much of that lies in each pack. */
export class LiveMarks {
  private readonly bits: Uint8Array;
  /** By number of the pack that is the chunk's home. */
  readonly liveBytes: Float64Array;
  snapshots = 0;
  logs = 0;
  liveChunks = 0;
  /** Chunks that they name and no pack holds. */
  missingChunks = 0;

  constructor(private readonly index: RepositoryIndex) {
    this.bits = new Uint8Array(Math.ceil(index.chunks.capacity / 8));
    this.liveBytes = new Float64Array(index.packs.length);
  }

  isLive(id: Buffer): boolean {
    const row = this.index.chunks.find(id);
    return row >= 0 && (this.bits[row >> 3]! & (1 << (row & 7))) !== 0;
  }

  mark({ id }: ChunkReference): void {
    const row = this.index.chunks.find(id);
    if (row < 0) {
      this.missingChunks++;
      return;
    }
    const bit = 1 << (row & 7);
    if ((this.bits[row >> 3]! & bit) !== 0) return;
    this.bits[row >> 3]! |= bit;
    const home = this.index.chunks.homeAt(row);
    this.liveBytes[home.pack]! += home.length;
    this.liveChunks++;
  }
}

/** All that is live, what lies in the trash too but for the ignored ids. */
export async function listLiveManifests(context: RepositoryContext, ignoredTrash: ReadonlySet<string>): Promise<ListedManifest[]> {
  const { logsAreLive } = context.protocol;
  const manifests = new Map<string, ListedManifest>();
  const places = { standing: [SNAPSHOTS_PREFIX, LOGS_PREFIX], trash: TRASH_PREFIX };
  for await (const manifest of listMovingManifests(context, places)) {
    const { id, name } = manifest;
    if (name === trashName(id) && ignoredTrash.has(id)) continue;
    if (logsAreLive || !isLogId(id)) manifests.set(id, manifest);
  }
  return [...manifests.values()];
}

/**
 * Follows the manifests to their chunks (repository.md §8). The index must be younger than their list, so that it knows
 * what they need. Nothing is deleted on incomplete knowledge: a manifest or a recipe that can't be read ends the collection.
 */
export async function markLiveChunks(
  context: RepositoryContext,
  index: RepositoryIndex,
  listed: ListedManifest[],
  signal?: AbortSignal,
): Promise<LiveMarks> {
  const marker = new LiveMarker(context, index, signal);
  const rounds = new ManifestRounds(context.store, listed);
  while (rounds.isOpen()) {
    for await (const { id } of rounds.next()) {
      const missingBefore = marker.marks.missingChunks;
      const stood = await marker.markManifest(id).catch((error: unknown) => {
        throw rounds.isLate ? mergedMeanwhile(id, error) : error;
      });
      if (!stood) rounds.noteAbsent(id);
      // What a later log needs besides may be younger than the index.
      if (rounds.isLate) marker.marks.missingChunks = missingBefore;
    }
  }
  return marker.marks;
}

export class LiveMarker {
  readonly marks: LiveMarks;
  private readonly readRecipe: ReturnType<typeof recipeReader>;
  private readonly seenRecipes = new Set<string>();

  constructor(
    private readonly context: RepositoryContext,
    index: RepositoryIndex,
    private readonly signal: AbortSignal | undefined,
  ) {
    this.marks = new LiveMarks(index);
    this.readRecipe = recipeReader(new FrameSource(context, index), signal);
  }

  /**
   * Whether it stands where it stood, and was neither taken away nor merged. Rejects with `repository_damaged` where it can't be told
   * what it needs; all that can be told is marked then.
   */
  async markManifest(id: string): Promise<boolean> {
    throwIfCancelled(this.signal);
    const { manifest, stands } = await readWherever(this.context, id);
    // Purged, discarded or merged since it was listed.
    if (!manifest) return false;
    let trouble: RahatError | undefined;
    for (const object of manifest.objects) {
      const found = await this.markObject(id, object);
      trouble ??= found;
    }
    if (trouble) throw trouble;
    if (isLogId(id)) this.marks.logs++;
    else this.marks.snapshots++;
    return stands;
  }

  /** What is wrong with its chunk list, if anything. */
  private async markObject(id: string, { key, recipe }: StoredObject): Promise<RahatError | undefined> {
    // Unchanged tables have the same recipe in each backup.
    const identity = 'recipeChunks' in recipe ? recipe.recipeChunks.map(([chunk]) => chunk).join() : undefined;
    if (identity !== undefined && this.seenRecipes.has(identity)) return undefined;
    if ('recipeChunks' in recipe) toReferences(recipe.recipeChunks).forEach((chunk) => this.marks.mark(chunk));
    try {
      for await (const chunk of recipeChunks(recipe, this.readRecipe)) this.marks.mark(chunk);
      if (identity !== undefined) this.seenRecipes.add(identity);
      return undefined;
    } catch (error) {
      const cause = RahatError.from(error);
      if (!cause.code.startsWith('repository_') && cause.code !== 'blob_not_found') throw error;
      return unknown(`the chunk list of object ${JSON.stringify(key)} in ${called(id)} cannot be read`, cause);
    }
  }
}

/** It may be moved to the trash or back while it is looked for. */
async function readWherever(context: RepositoryContext, id: string): Promise<{ manifest?: AnyManifest; stands: boolean }> {
  const [standing, trash] = [standingName(id), trashName(id)];
  for (const name of [standing, trash, standing, trash]) {
    try {
      return { manifest: openAnyManifest(context, id, await context.store.get(name)), stands: name === standing };
    } catch (error) {
      const cause = RahatError.from(error);
      if (cause.code === 'blob_not_found') continue;
      if (!cause.code.startsWith('repository_')) throw error;
      throw unknown(`${called(id)} cannot be read`, cause);
    }
  }
  return { stands: false };
}

/** Its youngest parts may be younger than the index: it isn't damage, and the next collection sees all of it. */
function mergedMeanwhile(id: string, error: unknown): RahatError {
  const cause = RahatError.from(error);
  if (cause.code !== 'repository_damaged') return cause;
  return new RahatError('conflict', `While the collection looked, logs were merged into ${called(id)}; nothing was deleted.`, {
    cause,
    hint: 'Collect again.',
    retryable: true,
  });
}

function unknown(why: string, cause: RahatError): RahatError {
  return new RahatError('repository_damaged', `It is not known which chunks are needed, because ${why}: ${cause.message}`, {
    cause,
    hint: 'Repair the repository, or take the snapshot or log out of it, and try again.',
  });
}
