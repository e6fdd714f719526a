import { RahatError } from '@rahat/contracts';
import { throwIfCancelled } from '../bounded-store.js';
import type { RepositoryContext } from '../context.js';
import type { ChunkHome } from '../index/chunk-table.js';
import type { RepositoryIndex } from '../index/repository-index.js';
import { TRASH_PREFIX, trashName } from '../layout.js';
import { logPlace, streamPrefix } from '../logs/log-names.js';
import { openAnyManifest, type AnyManifest } from '../manifests/any-manifest.js';
import { listManifestFiles, ManifestRounds, type ListedManifest } from '../manifests/listed-manifests.js';
import { called, isLogId, standingName } from '../manifests/manifest-ids.js';
import { FrameSource } from '../reading/frame-source.js';
import { locate } from '../reading/locate-chunk.js';
import { recipeReader } from '../reading/recipe-reader.js';
import type { CheckOptions, CheckProblem } from '../repository.js';
import type { StoredObject } from '../snapshots/manifest.js';
import { recipeChunks, toReferences, type ChunkReference } from '../snapshots/recipes.js';

/** Opens manifests and follows their recipes; marks what is live. What lies in the trash counts: its removal can be undone. */
export class ManifestMarker {
  private readonly frames: FrameSource;
  private readonly marks: Uint8Array;
  private readonly manifests: ListedManifest[];
  private readonly problems: CheckProblem[];
  /** That stand. */
  snapshots = 0;
  logs = 0;
  liveChunks = 0;

  constructor(
    private readonly context: RepositoryContext,
    private readonly index: RepositoryIndex,
    { manifests, problems }: { manifests: ListedManifest[]; problems: CheckProblem[] },
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
      if (!name.startsWith(TRASH_PREFIX)) this.countStanding(id);
      try {
        await this.markManifest(name, { id, manifest: openAnyManifest(this.context, id, file) }, options);
      } catch (error) {
        const { code, message } = RahatError.from(error);
        if (!code.startsWith('repository_')) throw error;
        this.problems.push({ severity: 'damage', file: name, message, affects: [{ snapshot: id, objects: [] }] });
      }
    }
    for (const id of missing) {
      if (await this.isCovered(id)) continue;
      const affects = [{ snapshot: id, objects: [] }];
      this.problems.push({ severity: 'damage', file: standingName(id), message: `The ${called(id)} is missing.`, affects });
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

  /** A log that was asked for, and was merged into another one since. */
  private async isCovered(id: string): Promise<boolean> {
    if (!isLogId(id)) return false;
    const { stream, first, last } = logPlace(id);
    for await (const other of listManifestFiles(this.context.store, [streamPrefix(stream)])) {
      const place = logPlace(other.id);
      if (place.first <= first && place.last >= last) return true;
    }
    return false;
  }

  private countStanding(id: string): void {
    if (isLogId(id)) this.logs++;
    else this.snapshots++;
  }

  private manifestFiles(options: CheckOptions): AsyncGenerator<ManifestFile> {
    return manifestFiles(this.context, this.manifests, options);
  }

  private async markManifest(
    name: string,
    { id, manifest }: { id: string; manifest: AnyManifest },
    { signal }: CheckOptions,
  ): Promise<void> {
    const damaged = new Map<string, string[]>();
    for (const object of manifest.objects) {
      const message = await this.markObject(object, signal);
      if (message === undefined) continue;
      damaged.set(message, [...(damaged.get(message) ?? []), object.key]);
    }
    for (const [message, objects] of damaged) {
      this.problems.push({ severity: 'damage', file: name, message, affects: [{ snapshot: id, objects }] });
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
      return openAnyManifest(this.context, id, file).objects;
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

/** Of all snapshots and logs, or of those that are asked for. */
export async function listManifests(
  { store }: RepositoryContext,
  { snapshots }: Pick<CheckOptions, 'snapshots'>,
): Promise<ListedManifest[]> {
  const wanted = snapshots && new Set(snapshots);
  const manifests: ListedManifest[] = [];
  for await (const manifest of listManifestFiles(store)) if (!wanted || wanted.has(manifest.id)) manifests.push(manifest);
  return manifests;
}

export interface ManifestFile {
  id: string;
  /** Where it was listed. */
  name: string;
  file: Buffer;
}

/** Without those that were purged since they were listed; with those into which logs were merged, where all were asked for. */
export async function* manifestFiles(
  context: RepositoryContext,
  listed: ListedManifest[],
  { signal, snapshots }: { signal?: AbortSignal; snapshots?: string[] },
): AsyncGenerator<ManifestFile> {
  const rounds = new ManifestRounds(context.store, listed);
  while (rounds.isOpen()) {
    for await (const manifest of rounds.next()) {
      throwIfCancelled(signal);
      const found = await findManifestFile(context, manifest);
      if (found) yield { ...manifest, file: found.file };
      if (!found?.inPlace && !snapshots) rounds.noteAbsent(manifest.id);
    }
  }
}

/** It may have gone to the trash or come back since it was listed. */
async function findManifestFile(
  context: RepositoryContext,
  { id, name }: ListedManifest,
): Promise<{ file: Buffer; inPlace: boolean } | undefined> {
  for (const place of [name, standingName(id), trashName(id)]) {
    try {
      return { file: await context.store.get(place), inPlace: place === name };
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
