import { RahatError } from '@rahat/contracts';
import { examineRepository } from '../check/check.js';
import { listManifests, manifestFiles } from '../check/manifest-marker.js';
import type { RepositoryContext } from '../context.js';
import { isDamage, transferObject, type ChunkTaker } from '../copy/chunk-transfer.js';
import { areSiblings } from '../copy/copy-snapshots.js';
import { PENDING_PACK } from '../index/chunk-table.js';
import { loadIndexForReading, loadIndexForWriting } from '../index/load-index.js';
import type { RepositoryIndex } from '../index/repository-index.js';
import { Lease } from '../leases/lease.js';
import { openAnyManifest, type AnyManifest } from '../manifests/any-manifest.js';
import { FrameSource } from '../reading/frame-source.js';
import { recipeReader } from '../reading/recipe-reader.js';
import type { ChunkReference } from '../snapshots/recipes.js';
import { ChunkIntake } from '../writing/chunk-intake.js';
import { REPAIR_WRITER, takeLease } from './repair-index.js';
import type { HealOptions, HealReport } from './repair-reports.js';

/**
 * Brings what snapshots need and can't be read here from a sibling repository, each chunk compared with its id (repository.md
 * §11). Writes packs and index segments only; broken off, what came by then stays and a repetition goes on.
 */
export async function healFrom(context: RepositoryContext, sibling: RepositoryContext, options: HealOptions = {}): Promise<HealReport> {
  if (context.repositoryId.equals(sibling.repositoryId)) throw new RahatError('invalid_input', 'A repository cannot heal itself.');
  if (!areSiblings(context, sibling)) {
    throw new RahatError('invalid_input', 'The other repository is no sibling: its chunks have other ids.', {
      hint: 'Only a repository with the same identity secret can give chunks; others can be restored from.',
    });
  }
  await using lease = await takeLease(context, options);
  const siblingLease = await Lease.takeForReading(sibling);
  try {
    return await healUnderLeases({ context, sibling, options }, lease.held);
  } finally {
    await siblingLease?.release().catch(() => undefined);
  }
}

interface Healing {
  context: RepositoryContext;
  sibling: RepositoryContext;
  options: HealOptions;
}

async function healUnderLeases({ context, sibling, options }: Healing, lease: Lease | undefined): Promise<HealReport> {
  const { signal, level = 'structure' } = options;
  const { damagedPacks } = await examineRepository(context, { level, signal });
  using index = await loadIndexForWriting(context);
  for (const hash of damagedPacks.keys()) {
    const number = index.packNumber(hash);
    if (number !== undefined) index.barPack(number);
  }
  using siblingIndex = await loadIndexForReading(sibling);
  const origin = new FrameSource(sibling, siblingIndex);
  const own = new FrameSource(context, index);

  const taker = lease ? new ChunkIntake(context, index, lease, { writer: REPAIR_WRITER, signal }) : new CountingTaker(index);
  await using intake = taker;
  const { unavailable, remaining } = await bringAll({ own, origin, intake, options });
  await intake.flush();
  return {
    dryRun: lease === undefined,
    missingChunks: intake.chunks + unavailable.size,
    healedChunks: lease ? intake.chunks : 0,
    healedBytes: lease ? intake.plainBytes : 0,
    remaining,
  };
}

/** For a dry run: the sibling's chunks are read and compared, and go nowhere. */
class CountingTaker implements ChunkTaker, AsyncDisposable {
  chunks = 0;
  plainBytes = 0;

  constructor(private readonly index: RepositoryIndex) {}

  has(id: Buffer): boolean {
    return this.index.chunks.find(id) >= 0;
  }

  take(_lane: unknown, id: Buffer, chunk: Buffer): Promise<void> {
    this.chunks++;
    this.plainBytes += chunk.length;
    this.index.chunks.set(id, { pack: PENDING_PACK, frame: 0, offset: 0, length: chunk.length });
    return Promise.resolve();
  }

  flush(): Promise<void> {
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

interface Bringing {
  own: FrameSource;
  origin: FrameSource;
  intake: ChunkTaker;
  options: HealOptions;
}

async function bringAll({
  own,
  origin,
  intake,
  options,
}: Bringing): Promise<{ unavailable: Set<string>; remaining: HealReport['remaining'] }> {
  const { signal, onProgress } = options;
  const unavailable = new Set<string>();
  const remaining: HealReport['remaining'] = [];
  const recipeFrom = recipesOfBoth(own, origin, signal);
  const listed = await listManifests(own.context, {});
  let done = 0;
  for await (const { id, file } of manifestFiles(own.context, listed, { signal })) {
    const manifest = readableManifest(own.context, id, file);
    const affected: string[] = [];
    for (const object of manifest?.objects ?? []) {
      let lacking = false;
      const onUnavailable = (id: Buffer): void => {
        unavailable.add(id.toString('hex'));
        lacking = true;
      };
      try {
        await transferObject(object, { origin, recipeFrom, intake }, { signal, onUnavailable });
      } catch (error) {
        // A recipe that neither has.
        if (!isDamage(error)) throw error;
        lacking = true;
      }
      if (lacking) affected.push(object.key);
    }
    if (manifest && affected.length > 0) remaining.push({ snapshot: id, objects: affected });
    onProgress?.({ done: ++done, total: Math.max(done, listed.length) });
  }
  return { unavailable, remaining };
}

/** A stored recipe's chunk is read here where it can be, else from the sibling. */
function recipesOfBoth(
  own: FrameSource,
  origin: FrameSource,
  signal: AbortSignal | undefined,
): (chunks: ChunkReference[]) => AsyncIterable<Buffer> {
  const [ownRecipes, otherRecipes] = [recipeReader(own, signal), recipeReader(origin, signal)];
  return async function* (chunks) {
    for (const chunk of chunks) {
      const home = own.index.chunks.get(chunk.id);
      yield* home && home.pack !== PENDING_PACK ? ownRecipes([chunk]) : otherRecipes([chunk]);
    }
  };
}

/** undefined where it is itself damaged: a check tells of that. */
function readableManifest(context: RepositoryContext, id: string, file: Buffer): AnyManifest | undefined {
  try {
    return openAnyManifest(context, id, file);
  } catch (error) {
    if (isDamage(error)) return undefined;
    throw error;
  }
}
