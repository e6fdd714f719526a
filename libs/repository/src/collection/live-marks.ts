import { RahatError } from '@rahat/contracts';
import { throwIfCancelled } from '../bounded-store.js';
import type { RepositoryContext } from '../context.js';
import type { RepositoryIndex } from '../index/repository-index.js';
import { snapshotName, SNAPSHOTS_PREFIX, TRASH_PREFIX, trashName } from '../layout.js';
import { FrameSource } from '../reading/frame-source.js';
import { recipeReader } from '../reading/recipe-reader.js';
import { openManifest } from '../snapshots/manifest-files.js';
import type { Manifest, StoredObject } from '../snapshots/manifest.js';
import { recipeChunks, toReferences, type ChunkReference } from '../snapshots/recipes.js';

/** Which chunks the snapshots need, as one bit for each row of the index, and how much of that lies in each pack. */
export class LiveMarks {
  private readonly bits: Uint8Array;
  /** By number of the pack that is the chunk's home. */
  readonly liveBytes: Float64Array;
  snapshots = 0;
  liveChunks = 0;
  /** Chunks that snapshots name and no pack holds. */
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

/**
 * Ids of all snapshots, those in the trash too but for the ignored ones. An undo moves a snapshot from the trash back: between
 * listing the one and the other it would be seen in neither, so the snapshots are listed twice.
 */
export async function listLiveSnapshots(context: RepositoryContext, ignoredTrash: ReadonlySet<string>): Promise<Set<string>> {
  const { trashIsLive, snapshotsListedAgain } = context.protocol;
  const ids = new Set<string>();
  const list = async (prefix: string, ignored: ReadonlySet<string>): Promise<void> => {
    for await (const { name } of context.store.list(prefix)) {
      const id = name.slice(prefix.length);
      if (!ignored.has(id)) ids.add(id);
    }
  };
  await list(SNAPSHOTS_PREFIX, NONE);
  if (trashIsLive) await list(TRASH_PREFIX, ignoredTrash);
  if (snapshotsListedAgain) await list(SNAPSHOTS_PREFIX, NONE);
  return ids;
}

const NONE: ReadonlySet<string> = new Set();

/**
 * Follows the manifests to their chunks (repository.md §8). The index must be younger than the list of snapshots, so that it knows
 * what they need. Nothing is deleted on incomplete knowledge: a manifest or a recipe that can't be read ends the collection.
 */
export async function markLiveChunks(
  context: RepositoryContext,
  index: RepositoryIndex,
  snapshots: ReadonlySet<string>,
  signal?: AbortSignal,
): Promise<LiveMarks> {
  const marker = new LiveMarker(context, index, signal);
  for (const id of snapshots) await marker.markSnapshot(id);
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

  /** Rejects with `repository_damaged` where it can't be told what the snapshot needs; all that can be told is marked then. */
  async markSnapshot(id: string): Promise<void> {
    throwIfCancelled(this.signal);
    const manifest = await readWherever(this.context, id);
    // Purged or discarded since it was listed.
    if (!manifest) return;
    let trouble: RahatError | undefined;
    for (const object of manifest.objects) {
      const found = await this.markObject(id, object);
      trouble ??= found;
    }
    if (trouble) throw trouble;
    this.marks.snapshots++;
  }

  /** What is wrong with its chunk list, if anything. */
  private async markObject(snapshot: string, { key, recipe }: StoredObject): Promise<RahatError | undefined> {
    // Unchanged tables have the same recipe in each backup.
    const identity = 'recipeChunks' in recipe ? recipe.recipeChunks.map(([id]) => id).join() : undefined;
    if (identity !== undefined && this.seenRecipes.has(identity)) return undefined;
    if ('recipeChunks' in recipe) toReferences(recipe.recipeChunks).forEach((chunk) => this.marks.mark(chunk));
    try {
      for await (const chunk of recipeChunks(recipe, this.readRecipe)) this.marks.mark(chunk);
      if (identity !== undefined) this.seenRecipes.add(identity);
      return undefined;
    } catch (error) {
      const cause = RahatError.from(error);
      if (!cause.code.startsWith('repository_') && cause.code !== 'blob_not_found') throw error;
      return unknown(`the chunk list of object ${JSON.stringify(key)} in snapshot ${snapshot} cannot be read`, cause);
    }
  }
}

/** It may be moved to the trash or back while it is looked for. */
async function readWherever(context: RepositoryContext, id: string): Promise<Manifest | undefined> {
  for (const name of [snapshotName(id), trashName(id), snapshotName(id), trashName(id)]) {
    try {
      return openManifest(context, id, await context.store.get(name));
    } catch (error) {
      const cause = RahatError.from(error);
      if (cause.code === 'blob_not_found') continue;
      if (!cause.code.startsWith('repository_')) throw error;
      throw unknown(`snapshot ${id} cannot be read`, cause);
    }
  }
  return undefined;
}

function unknown(why: string, cause: RahatError): RahatError {
  return new RahatError('repository_damaged', `It is not known which chunks are needed, because ${why}: ${cause.message}`, {
    cause,
    hint: 'Repair the repository, or take the snapshot out of it, and try again.',
  });
}
