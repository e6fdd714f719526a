import { createHash } from 'node:crypto';
import { RahatError } from '@rahat/contracts';
import { listManifests, manifestFiles, ManifestMarker } from '../check/manifest-marker.js';
import type { RepositoryContext } from '../context.js';
import type { RepositoryIndex } from '../index/repository-index.js';
import { openAnyManifest, type AnyManifest } from '../manifests/any-manifest.js';
import { readChunks } from '../reading/chunk-reader.js';
import { FrameSource } from '../reading/frame-source.js';
import { recipeReader } from '../reading/recipe-reader.js';
import type { CheckProblem } from '../repository.js';
import type { StoredObject } from '../snapshots/manifest.js';
import { recipeChunks } from '../snapshots/recipes.js';
import { isDistrusted } from './claims.js';
import type { Distrusted, DistrustOptions, DistrustReport } from './distrust-report.js';

type TriedSnapshot = DistrustReport['snapshots'][number];

/** Reads what the writer committed as a restore would, by an index that holds only what was proven or is vouched for. */
export async function trySnapshots(
  context: RepositoryContext,
  index: RepositoryIndex,
  whom: Distrusted,
  { signal, onProgress }: DistrustOptions,
): Promise<{ snapshots: TriedSnapshot[]; writers: Set<string> }> {
  const snapshots: TriedSnapshot[] = [];
  const writers = new Set<string>();
  const listed = await listManifests(context, {});
  let done = 0;
  for await (const { id, file } of manifestFiles(context, listed, { signal })) {
    const manifest = readableManifest(context, id, file);
    if (manifest) writers.add(manifest.writer);
    if (manifest && isDistrusted(manifest.writer, whom)) snapshots.push(await tryManifest(context, index, { id, manifest }, signal));
    onProgress?.({ phase: 'snapshots', done: ++done, total: Math.max(done, listed.length) });
  }
  return { snapshots, writers };
}

/** What snapshots need and the index doesn't hold, of all writers. */
export async function affectedSnapshots(
  context: RepositoryContext,
  index: RepositoryIndex,
  signal: AbortSignal | undefined,
): Promise<DistrustReport['affected']> {
  const problems: CheckProblem[] = [];
  const manifests = await listManifests(context, {});
  await new ManifestMarker(context, index, { manifests, problems }).markAll({ level: 'structure', signal });
  const affected = new Map<string, Set<string>>();
  for (const { snapshot, objects } of problems.flatMap(({ affects }) => affects)) {
    const known = affected.get(snapshot) ?? new Set<string>();
    for (const object of objects) known.add(object);
    affected.set(snapshot, known);
  }
  return [...affected].map(([snapshot, objects]) => ({ snapshot, objects: [...objects] }));
}

async function tryManifest(
  context: RepositoryContext,
  index: RepositoryIndex,
  { id, manifest: { objects } }: { id: string; manifest: AnyManifest },
  signal: AbortSignal | undefined,
): Promise<TriedSnapshot> {
  const frames = new FrameSource(context, index);
  const falseObjects: string[] = [];
  let message: string | undefined;
  for (const object of objects) {
    const fault = await faultOf(object, frames, signal);
    if (fault === undefined) continue;
    falseObjects.push(object.key);
    message ??= fault;
  }
  return { snapshot: id, consistent: falseObjects.length === 0, falseObjects, ...(message === undefined ? {} : { message }) };
}

async function faultOf(object: StoredObject, origin: FrameSource, signal: AbortSignal | undefined): Promise<string | undefined> {
  const whole = createHash('sha256');
  let sizeBytes = 0;
  try {
    const chunks = recipeChunks(object.recipe, recipeReader(origin, signal));
    const options = { verifyWith: origin.context.keys.chunkId, signal };
    for await (const chunk of readChunks(origin, chunks, options)) {
      whole.update(chunk);
      sizeBytes += chunk.length;
    }
  } catch (error) {
    const { code, message } = RahatError.from(error);
    if (!code.startsWith('repository_')) throw error;
    return message;
  }
  const fits = sizeBytes === object.sizeBytes && whole.digest('hex') === object.sha256;
  return fits ? undefined : `Object ${JSON.stringify(object.key)} has other bytes than its manifest says.`;
}

/** undefined where it doesn't open: `affectedSnapshots` tells of that. */
function readableManifest(context: RepositoryContext, id: string, file: Buffer): AnyManifest | undefined {
  try {
    return openAnyManifest(context, id, file);
  } catch (error) {
    if (!(error instanceof RahatError) || !error.code.startsWith('repository_')) throw error;
    return undefined;
  }
}
