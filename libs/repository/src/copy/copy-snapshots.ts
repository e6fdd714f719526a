import { RahatError } from '@rahat/contracts';
import { checkRepository } from '../check/check.js';
import type { RepositoryContext } from '../context.js';
import { PENDING_PACK } from '../index/chunk-table.js';
import { loadIndexForReading, loadIndexForWriting } from '../index/load-index.js';
import { trashName } from '../layout.js';
import { inOrder } from '../frames/in-order.js';
import { Lease } from '../leases/lease.js';
import { listLogs } from '../logs/log-listing.js';
import type { LogListing } from '../logs/log-manifest.js';
import { logPublication } from '../logs/log-publication.js';
import type { AnyManifest } from '../manifests/any-manifest.js';
import { FrameSource, openReadsOf } from '../reading/frame-source.js';
import { recipeReader } from '../reading/recipe-reader.js';
import { recipeChunks, toReferences, type ChunkReference } from '../snapshots/recipes.js';
import { findSnapshot, listSnapshots } from '../snapshots/snapshot-listing.js';
import { snapshotPublication } from '../snapshots/snapshot-publication.js';
import { ChunkIntake } from '../writing/chunk-intake.js';
import { publishManifest } from '../writing/publish-manifest.js';
import { copyByRechunking, wholeOf } from './copy-by-rechunking.js';
import { transferObject } from './chunk-transfer.js';
import type { CopyOptions, CopyReport } from './copy-reports.js';
import { standsInTarget } from './standing-copies.js';
import { StandingLogs } from './standing-logs.js';

const COPY_WRITER = 'copy';
/** repository.md §7: so that a copy of days never holds back the target's collection. */
const MAX_SESSION_MS = 15 * 60 * 1000;

type CopyOne = (manifest: AnyManifest) => Promise<{ chunks: number; bytes: number }>;

/**
 * Snapshot for snapshot, oldest first, then log for log: what was copied is whole whatever becomes of the rest, and a repetition goes on where
 * the last one stopped. Between siblings only missing chunks move.
 */
export async function copySnapshots(source: RepositoryContext, target: RepositoryContext, options: CopyOptions = {}): Promise<CopyReport> {
  if (source.repositoryId.equals(target.repositoryId)) {
    throw new RahatError('invalid_input', 'A repository cannot be copied into itself.');
  }
  const siblings = areSiblings(source, target);
  if (!siblings && !options.rechunk) throw notSiblings();
  const logs = { copied: 0, present: 0, inTrash: 0, chunks: 0, bytes: 0 };
  const report: CopyReport = { dryRun: options.dryRun ?? false, copied: [], present: [], inTrash: [], logs, failed: [] };
  const copiedIds: string[] = [];
  const sourceLease = await Lease.takeForReading(source);
  try {
    await copyAll(source, target, { options, report, siblings, copiedIds });
  } finally {
    await sourceLease?.release().catch(() => undefined);
  }
  if (report.dryRun || copiedIds.length === 0) return report;
  const level = options.verify ?? 'read-data';
  const verification = await checkRepository(target, { level, snapshots: copiedIds, signal: options.signal });
  return { ...report, verification };
}

/** Chunks of one have the same ids in the other. */
export function areSiblings(a: RepositoryContext, b: RepositoryContext): boolean {
  return a.keys.chunkId.equals(b.keys.chunkId) && a.keys.recipeChunkId.equals(b.keys.recipeChunkId);
}

export function notSiblings(): RahatError {
  return new RahatError('invalid_input', 'The two repositories don’t share their identity secret: their chunks have other ids.', {
    hint: 'Make the target as a sibling (repository init --sibling-of), or copy by cutting and storing everything anew (--rechunk).',
  });
}

interface CopyRun {
  options: CopyOptions;
  report: CopyReport;
  siblings: boolean;
  copiedIds: string[];
}

async function copyAll(source: RepositoryContext, target: RepositoryContext, run: CopyRun): Promise<void> {
  const { options, report, siblings } = run;
  const chosen = await chooseSnapshots(source, options.snapshots, report);
  using index = await loadIndexForReading(source);
  const origin = new FrameSource(source, index);
  const standingLogs = new StandingLogs(target);
  let copiedBytes = 0;
  const waiting = toCopy(source, chosen, options);
  let next = await waiting.next();
  let done = 0;
  while (!next.done) {
    const startedAtMs = target.clock.monotonicMs();
    await using session = siblings
      ? await openSiblingSession(origin, target, options)
      : await openRechunkingSession(source, target, options);
    for (; !next.done && target.clock.monotonicMs() - startedAtMs < MAX_SESSION_MS; next = await waiting.next()) {
      const { id } = next.value;
      options.onProgress?.({ snapshot: id, done, total: Math.max(chosen.length, done + 1), copiedBytes });
      copiedBytes += await copyOne(next.value, { source, target, standingLogs, run, copy: session.copy });
      done++;
    }
  }
}

type Copied = { id: string } | LogListing;

async function* toCopy(source: RepositoryContext, snapshots: string[], { snapshots: wanted, signal }: CopyOptions): AsyncGenerator<Copied> {
  for (const id of snapshots) yield { id };
  if (!wanted) yield* listLogs(source, { signal });
}

interface CopyPlaces {
  source: RepositoryContext;
  target: RepositoryContext;
  standingLogs: StandingLogs;
  run: CopyRun;
  copy: CopyOne;
}

/** Gives the bytes that moved. What is wrong with one snapshot or log doesn't keep the others; a storage that fails does. */
async function copyOne(item: Copied, places: CopyPlaces): Promise<number> {
  const { report, copiedIds } = places.run;
  try {
    const moved = 'stream' in item ? await copyLog(item, places) : await copySnapshot(item.id, places);
    if (moved) copiedIds.push(item.id);
    return moved?.bytes ?? 0;
  } catch (error) {
    const { code, message } = RahatError.from(error);
    if (!code.startsWith('repository_') && code !== 'conflict' && code !== 'snapshot_not_found') throw error;
    report.failed.push({ snapshot: item.id, code, message });
  }
  return 0;
}

async function copySnapshot(id: string, { source, target, run: { report }, copy }: CopyPlaces): Promise<{ bytes: number } | undefined> {
  const manifest = await findSnapshot(source, id);
  if (await standsInTarget(target, manifest)) report.present.push(id);
  else if (await target.store.stat(trashName(id))) report.inTrash.push(id);
  else {
    const moved = await copy(manifest);
    report.copied.push({ snapshot: id, ...moved });
    return moved;
  }
  return undefined;
}

async function copyLog(listing: LogListing, { target, standingLogs, run, copy }: CopyPlaces): Promise<{ bytes: number } | undefined> {
  const { logs } = run.report;
  if (!listing.ok) throw listing.error;
  if (await standingLogs.has(listing.manifest)) logs.present++;
  else if (await target.store.stat(trashName(listing.id))) logs.inTrash++;
  else {
    const moved = await copy(listing.manifest);
    logs.copied++;
    logs.chunks += moved.chunks;
    logs.bytes += moved.bytes;
    return moved;
  }
  return undefined;
}

async function openRechunkingSession(
  source: RepositoryContext,
  target: RepositoryContext,
  { dryRun, signal }: CopyOptions,
): Promise<AsyncDisposable & { copy: CopyOne }> {
  if (!dryRun) return copyByRechunking(source, target, { writer: COPY_WRITER, signal });
  return { copy: ({ objects }) => Promise.resolve(wholeOf(objects)), [Symbol.asyncDispose]: () => Promise.resolve() };
}

async function openSiblingSession(
  origin: FrameSource,
  target: RepositoryContext,
  { dryRun, signal }: CopyOptions,
): Promise<AsyncDisposable & { copy: CopyOne }> {
  await using opened = new AsyncDisposableStack();
  const lease = dryRun ? undefined : await Lease.take(target, 'writer', COPY_WRITER);
  // A lease that stays behind runs out by itself.
  opened.defer(async () => lease?.release().catch(() => undefined));
  const index = opened.use(await loadIndexForWriting(target));
  const readRecipe = recipeReader(origin, signal);
  if (!lease) {
    const held = opened.move();
    return { copy: (manifest) => countMissing(manifest, readRecipe, index), [Symbol.asyncDispose]: () => held.disposeAsync() };
  }
  const intake = opened.use(new ChunkIntake(target, index, lease, { writer: COPY_WRITER, signal }));
  const held = opened.move();
  return {
    async copy(manifest) {
      const before = { chunks: intake.chunks, bytes: intake.plainBytes, added: intake.addedBytes };
      for (const object of manifest.objects) await transferObject(object, { origin, recipeFrom: readRecipe, intake }, { signal });
      await intake.flush();
      const own = { repository: target.repositoryId.toString('hex'), addedBytes: intake.addedBytes - before.added };
      if ('stream' in manifest) await publishManifest(target, lease, logPublication(target, { ...manifest, ...own }), signal);
      else await publishManifest(target, lease, snapshotPublication(target, { ...manifest, ...own }), signal);
      return { chunks: intake.chunks - before.chunks, bytes: intake.plainBytes - before.bytes };
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

/** Each missing chunk once, also where several objects or snapshots need it. */
async function countMissing(
  manifest: AnyManifest,
  readRecipe: (chunks: ChunkReference[]) => AsyncIterable<Buffer>,
  { chunks: known }: Pick<Awaited<ReturnType<typeof loadIndexForWriting>>, 'chunks'>,
): Promise<{ chunks: number; bytes: number }> {
  const missing = { chunks: 0, bytes: 0 };
  const count = ({ id, length }: ChunkReference): void => {
    if (known.find(id) >= 0) return;
    known.set(id, { pack: PENDING_PACK, frame: 0, offset: 0, length: 0 });
    missing.chunks++;
    missing.bytes += length;
  };
  for (const { recipe } of manifest.objects) {
    if ('recipeChunks' in recipe) toReferences(recipe.recipeChunks).forEach(count);
    for await (const chunk of recipeChunks(recipe, readRecipe)) count(chunk);
  }
  return missing;
}

/** Ids, oldest first; damaged manifests are told of where everything is copied. */
async function chooseSnapshots(source: RepositoryContext, wanted: string[] | undefined, report: CopyReport): Promise<string[]> {
  if (wanted) {
    const createdAt = new Map<string, number>();
    // Also what the wanted ones are restored upon: without it their copies would be worth nothing.
    for (let names = new Set(wanted); names.size > 0;) {
      const upon = new Set<string>();
      for await (const { snapshot, parent, createdAt: at } of inOrder(names, openReadsOf(source), (id) => findSnapshot(source, id))) {
        createdAt.set(snapshot, Date.parse(at));
        if (parent !== undefined && !createdAt.has(parent)) upon.add(parent);
      }
      names = upon;
    }
    return [...createdAt.keys()].toSorted((a, b) => createdAt.get(a)! - createdAt.get(b)!);
  }
  const ids: string[] = [];
  for await (const listing of listSnapshots(source)) {
    if (listing.ok) ids.push(listing.id);
    else report.failed.push({ snapshot: listing.id, code: RahatError.from(listing.error).code, message: listing.error.message });
  }
  return ids;
}
