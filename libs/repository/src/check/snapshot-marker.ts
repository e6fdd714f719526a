import { RahatError } from '@rahat/contracts';
import { throwIfCancelled } from '../bounded-store.js';
import type { RepositoryContext } from '../context.js';
import type { ChunkHome } from '../index/chunk-table.js';
import type { RepositoryIndex } from '../index/repository-index.js';
import { snapshotName, SNAPSHOTS_PREFIX, trashName, TRASH_PREFIX } from '../layout.js';
import { FrameSource } from '../reading/frame-source.js';
import { locate } from '../reading/locate-chunk.js';
import { recipeReader } from '../reading/recipe-reader.js';
import type { CheckOptions, CheckProblem } from '../repository.js';
import { openManifest } from '../snapshots/manifest-files.js';
import type { Manifest, StoredObject } from '../snapshots/manifest.js';
import { recipeChunks, toReferences, type ChunkReference } from '../snapshots/recipes.js';

/** Opens manifests and follows their recipes; marks what is live. Snapshots in the trash count: their removal can be undone. */
export class SnapshotMarker {
  private readonly frames: FrameSource;
  private readonly marks: Uint8Array;
  private readonly manifests: string[];
  private readonly problems: CheckProblem[];
  snapshots = 0;
  liveChunks = 0;

  constructor(
    private readonly context: RepositoryContext,
    private readonly index: RepositoryIndex,
    { manifests, problems }: { manifests: string[]; problems: CheckProblem[] },
  ) {
    this.manifests = manifests;
    this.problems = problems;
    this.frames = new FrameSource(context, index);
    this.marks = new Uint8Array(index.chunks.capacity);
  }

  async markAll(options: CheckOptions): Promise<void> {
    const missing = new Set(options.snapshots);
    for await (const { name, id, file } of this.manifestFiles(options)) {
      missing.delete(id);
      if (name.startsWith(SNAPSHOTS_PREFIX)) this.snapshots++;
      try {
        await this.markManifest(name, openManifest(this.context, id, file), options);
      } catch (error) {
        const { code, message } = RahatError.from(error);
        if (!code.startsWith('repository_')) throw error;
        this.problems.push({ severity: 'damage', file: name, message, affects: [{ snapshot: id, objects: [] }] });
      }
    }
    for (const id of missing) {
      const affects = [{ snapshot: id, objects: [] }];
      this.problems.push({ severity: 'damage', file: `${SNAPSHOTS_PREFIX}${id}`, message: `Snapshot ${id} is missing.`, affects });
    }
  }

  /** Numbers of the packs that a snapshot needs. */
  livePacks(): Set<number> {
    const packs = new Set<number>();
    this.marks.forEach((mark, slot) => {
      if (mark) packs.add(this.index.chunks.homeAt(slot).pack);
    });
    return packs;
  }

  /** A second pass, only when packs are damaged: which objects need a chunk that has its home at a place of a known problem? */
  async nameAffected(problemAt: (home: ChunkHome) => CheckProblem | undefined, options: CheckOptions): Promise<void> {
    for await (const { id, file } of this.manifestFiles(options)) {
      for (const object of this.objectsOf(id, file)) {
        const problems = await this.problemsOf(object, problemAt, options.signal);
        for (const problem of problems) noteAffected(problem, id, object.key);
      }
    }
  }

  private async *manifestFiles({ signal }: CheckOptions): AsyncGenerator<{ name: string; id: string; file: Buffer }> {
    for (const name of this.manifests) {
      throwIfCancelled(signal);
      const id = name.slice(name.indexOf('/') + 1);
      const file = await readManifestFile(this.context, name, id);
      if (file) yield { name, id, file };
    }
  }

  private async markManifest(name: string, manifest: Manifest, { signal }: CheckOptions): Promise<void> {
    const damaged = new Map<string, string[]>();
    for (const object of manifest.objects) {
      const message = await this.markObject(object, signal);
      if (message === undefined) continue;
      damaged.set(message, [...(damaged.get(message) ?? []), object.key]);
    }
    for (const [message, objects] of damaged) {
      this.problems.push({ severity: 'damage', file: name, message, affects: [{ snapshot: manifest.snapshot, objects }] });
    }
  }

  /** What is wrong with the object's recipe, if anything. */
  private async markObject(object: StoredObject, signal: AbortSignal | undefined): Promise<string | undefined> {
    let sizeBytes = 0;
    try {
      if ('recipeChunks' in object.recipe) toReferences(object.recipe.recipeChunks).forEach((chunk) => this.mark(chunk));
      for await (const chunk of this.chunksOf(object, signal)) {
        this.mark(chunk);
        sizeBytes += chunk.length;
      }
    } catch (error) {
      const { code, message } = RahatError.from(error);
      if (!code.startsWith('repository_') && code !== 'blob_not_found') throw error;
      return message;
    }
    return sizeBytes === object.sizeBytes ? undefined : 'A recipe has another length than its object.';
  }

  private mark(chunk: ChunkReference): void {
    locate(this.index, chunk);
    const slot = this.index.chunks.find(chunk.id);
    if (this.marks[slot] === 0) this.liveChunks++;
    this.marks[slot] = 1;
  }

  private objectsOf(id: string, file: Buffer): StoredObject[] {
    try {
      return openManifest(this.context, id, file).objects;
    } catch (error) {
      // Reported by the first pass.
      if (!(error instanceof RahatError)) throw error;
      return [];
    }
  }

  private async problemsOf(
    object: StoredObject,
    problemAt: (home: ChunkHome) => CheckProblem | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Set<CheckProblem>> {
    const problems = new Set<CheckProblem>();
    const look = ({ id }: ChunkReference): void => {
      const home = this.index.chunks.get(id);
      const problem = home && problemAt(home);
      if (problem) problems.add(problem);
    };
    if ('recipeChunks' in object.recipe) toReferences(object.recipe.recipeChunks).forEach(look);
    try {
      for await (const chunk of this.chunksOf(object, signal)) look(chunk);
    } catch (error) {
      // A recipe that doesn't open was reported by the first pass.
      if (!(error instanceof RahatError) || !(error.code.startsWith('repository_') || error.code === 'blob_not_found')) throw error;
    }
    return problems;
  }

  private chunksOf({ recipe }: StoredObject, signal: AbortSignal | undefined): AsyncGenerator<ChunkReference> {
    return recipeChunks(recipe, recipeReader(this.frames, signal));
  }
}

/** Names under snapshots/ and trash/, of all snapshots or of those that are asked for. */
export async function listManifests(context: RepositoryContext, { snapshots }: Pick<CheckOptions, 'snapshots'>): Promise<string[]> {
  const wanted = snapshots && new Set(snapshots);
  const names: string[] = [];
  for (const prefix of [SNAPSHOTS_PREFIX, TRASH_PREFIX]) {
    for await (const { name } of context.store.list(prefix)) {
      if (!wanted || wanted.has(name.slice(prefix.length))) names.push(name);
    }
  }
  return names;
}

/** undefined where it was purged since it was listed; it may also have gone to the trash or come back. */
export async function readManifestFile(context: RepositoryContext, name: string, id: string): Promise<Buffer | undefined> {
  for (const place of [name, snapshotName(id), trashName(id)]) {
    try {
      return await context.store.get(place);
    } catch (error) {
      if (!(error instanceof RahatError) || error.code !== 'blob_not_found') throw error;
    }
  }
  return undefined;
}

function noteAffected(problem: CheckProblem, snapshot: string, object: string): void {
  const entry = problem.affects.find((affected) => affected.snapshot === snapshot);
  if (entry) entry.objects.push(object);
  else problem.affects.push({ snapshot, objects: [object] });
}
