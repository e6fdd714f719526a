import { RahatError } from '@rahat/contracts';
import { throwIfCancelled } from '../bounded-store.js';
import type { RepositoryContext } from '../context.js';
import type { RepositoryIndex } from '../index/repository-index.js';
import { SNAPSHOTS_PREFIX, TRASH_PREFIX } from '../layout.js';
import { readChunks } from '../reading/chunk-reader.js';
import { FrameSource } from '../reading/frame-source.js';
import { openManifest } from '../snapshots/manifest-files.js';
import type { Manifest, StoredObject } from '../snapshots/manifest.js';
import { recipeChunks, toReferences, type ChunkReference } from '../snapshots/recipes.js';

/** A snapshot that moves between two listings is looked for again, but not for ever. */
const MAX_ROUNDS = 5;

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

export interface MarkingOptions {
  /** Snapshots in the trash that count as purged. */
  ignoredTrash: ReadonlySet<string>;
  signal?: AbortSignal;
}

/**
 * Follows every manifest to its chunks (repository.md §8). Nothing is deleted on incomplete knowledge: a manifest or a recipe that
 * can't be read ends the collection.
 */
export async function markLiveChunks(context: RepositoryContext, index: RepositoryIndex, options: MarkingOptions): Promise<LiveMarks> {
  const marks = new LiveMarks(index);
  const frames = new FrameSource(context, index);
  const marked = new Set<string>();
  const seenRecipes = new Set<string>();
  let moved = true;
  for (let round = 0; moved && round < MAX_ROUNDS; round++) {
    moved = false;
    for (const prefix of listingOrder(context)) {
      for await (const { name } of context.store.list(prefix)) {
        throwIfCancelled(options.signal);
        const id = name.slice(prefix.length);
        if (marked.has(id) || (prefix === TRASH_PREFIX && options.ignoredTrash.has(id))) continue;
        const manifest = await readUnlessMoved(context, name, id);
        if (!manifest) {
          moved = true;
          continue;
        }
        for (const object of manifest.objects) await markObject(manifest.snapshot, object);
        marked.add(id);
      }
    }
  }
  marks.snapshots = marked.size;
  return marks;

  async function markObject(snapshot: string, { key, recipe }: StoredObject): Promise<void> {
    if ('recipeChunks' in recipe) {
      // Unchanged tables have the same recipe in each backup.
      const identity = recipe.recipeChunks.map(([id]) => id).join();
      if (seenRecipes.has(identity)) return;
      seenRecipes.add(identity);
      toReferences(recipe.recipeChunks).forEach((chunk) => marks.mark(chunk));
    }
    const readOptions = { verifyWith: context.keys.recipeChunkId, signal: options.signal };
    try {
      for await (const chunk of recipeChunks(recipe, (chunks) => readChunks(index, frames, chunks, readOptions))) marks.mark(chunk);
    } catch (error) {
      const cause = RahatError.from(error);
      if (!cause.code.startsWith('repository_') && cause.code !== 'blob_not_found') throw error;
      throw refusal(`the chunk list of object ${JSON.stringify(key)} in snapshot ${snapshot} cannot be read`, cause);
    }
  }
}

/** An undo moves a snapshot from the trash back: between listing the one and the other it would be seen in neither. */
function listingOrder({ protocol }: RepositoryContext): string[] {
  if (!protocol.trashIsLive) return [SNAPSHOTS_PREFIX];
  return protocol.snapshotsListedAgain ? [SNAPSHOTS_PREFIX, TRASH_PREFIX, SNAPSHOTS_PREFIX] : [SNAPSHOTS_PREFIX, TRASH_PREFIX];
}

async function readUnlessMoved(context: RepositoryContext, name: string, id: string): Promise<Manifest | undefined> {
  try {
    return openManifest(context, id, await context.store.get(name));
  } catch (error) {
    const cause = RahatError.from(error);
    if (cause.code === 'blob_not_found') return undefined;
    if (!cause.code.startsWith('repository_')) throw error;
    throw refusal(`snapshot ${id} cannot be read`, cause);
  }
}

function refusal(why: string, cause: RahatError): RahatError {
  return new RahatError('repository_damaged', `Nothing was collected, because ${why}: ${cause.message}`, {
    cause,
    hint: 'What that snapshot needs is not known. Repair the repository, or take the snapshot out of it, and collect again.',
  });
}
