import type { RepositoryContext } from '../context.js';
import { RepositoryIndex } from '../index/repository-index.js';
import { namedSegments, type SegmentOutline } from '../index/segment-compaction.js';
import { packHash, packName, PACKS_PREFIX } from '../layout.js';
import type { Lease } from '../leases/lease.js';
import { NO_SERVER_TIME_MARGIN_MS, surveyLeases, type LeaseSurvey } from '../leases/lease-survey.js';
import { untilListed } from '../listing-lag.js';
import type { ListedManifest } from '../manifests/listed-manifests.js';
import { purgeTrash } from '../trash/trash.js';
import { adoptPacks } from './adoption.js';
import { readCollections, type Collection } from './collection-files.js';
import { listLiveManifests, markLiveChunks, type LiveMarks } from './live-marks.js';

export interface CollectorOptions {
  dryRun: boolean;
  graceMs: number;
  undoPeriodMs: number;
  signal?: AbortSignal;
}

export interface StoredPack {
  sizeBytes: number;
  modifiedAtMs: number;
}

/** What a collection knows of the repository, learned in an order that makes it safe to act on. */
export interface View {
  leases: LeaseSurvey;
  collections: Collection[];
  condemned: ReadonlySet<string>;
  /** All that is live. */
  manifests: ListedManifest[];
  purged: string[];
  /** All packs that exist, by hash. */
  stored: ReadonlyMap<string, StoredPack>;
  /** With condemned packs as homes of last resort, and none that are missing. */
  index: RepositoryIndex;
  segments: SegmentOutline[];
  /** Since when the index names a pack, by its number; of one that was adopted just now nothing is known. */
  indexedAtMs: ReadonlyMap<number, number>;
  adoptedPacks: number;
  /** Old packs in no segment whose footers don't open. */
  unreadable: string[];
  marks: LiveMarks;
  isOld(pack: StoredPack): boolean;
}

/**
 * Leases come first: what a session that has ended left behind is then seen by everything that is listed after it. A snapshot that
 * is put after that belongs to a session that knows of every condemnation, so it isn't missed; one that a removal or an undo moves
 * meanwhile is seen in one of its two places.
 */
export async function lookAtRepository(context: RepositoryContext, lease: Lease, options: CollectorOptions): Promise<View> {
  const marginMs = context.store.capabilities.serverTime ? 0 : NO_SERVER_TIME_MARGIN_MS;
  const survey = (): Promise<LeaseSurvey> => surveyLeases(context, lease, { removeExpired: !options.dryRun });
  const early = context.protocol.leasesBeforeSnapshots ? await survey() : undefined;
  const collections = await readCollections(context);
  const condemned = new Set(collections.flatMap((collection) => collection.condemned));
  await untilListed(context);
  const undoPeriodMs = context.protocol.keepTrashForUndo ? options.undoPeriodMs + marginMs : 0;
  const purged = await purgeTrash(context, lease.serverTimeAtLeastMs() - undoPeriodMs, options);
  const manifests = await listLiveManifests(context, new Set(purged));
  const leases = early ?? (await survey());
  // The segments of these snapshots were put before them, but may be listed after them.
  await untilListed(context);

  const stored = await listPacks(context);
  const { index, segments, indexedAtMs } = await loadIndex(context);
  await addUnlistedPacks(context, index, stored);
  const oldestSessionMs = Math.min(...leases.live.map(({ beganAtMs }) => beganAtMs));
  const oldBeforeMs = Math.min(lease.serverTimeAtLeastMs() - options.graceMs - marginMs, oldestSessionMs);
  const isOld = (pack: StoredPack): boolean => pack.modifiedAtMs < oldBeforeMs;
  const unindexed = [...stored].filter(([hash, pack]) => index.packNumber(hash) === undefined && !condemned.has(hash) && isOld(pack));
  const { adopted, unreadable } = await adoptPacks(
    context,
    index,
    unindexed.map(([hash, { sizeBytes }]) => ({ hash, sizeBytes })),
    options,
  );
  index.packs.forEach(({ hash }, number) => {
    if (!stored.has(hash)) index.barPack(number);
    else if (condemned.has(hash)) index.avoidPack(number);
  });
  const marks = await markLiveChunks(context, index, manifests, options.signal);
  const seen = { leases, collections, condemned, purged, manifests, stored, index, segments, indexedAtMs };
  return { ...seen, adoptedPacks: adopted, unreadable, marks, isOld };
}

async function listPacks(context: RepositoryContext): Promise<Map<string, StoredPack>> {
  const stored = new Map<string, StoredPack>();
  for await (const { name, sizeBytes, modifiedAt } of context.store.list(PACKS_PREFIX)) {
    stored.set(packHash(name), { sizeBytes, modifiedAtMs: modifiedAt.getTime() });
  }
  return stored;
}

async function loadIndex(context: RepositoryContext): Promise<Pick<View, 'index' | 'segments' | 'indexedAtMs'>> {
  const index = new RepositoryIndex();
  const segments: SegmentOutline[] = [];
  const indexedAtMs = new Map<number, number>();
  for await (const { id, segment, storedAtMs } of namedSegments(context)) {
    const packs = segment.packs.map((pack) => index.addPack(pack));
    const chunks = segment.packs.reduce((sum, { table }) => sum + table.chunkFrames.length, 0);
    for (const pack of packs) indexedAtMs.set(pack, Math.min(indexedAtMs.get(pack) ?? Infinity, storedAtMs));
    segments.push({ id, writer: segment.writer, replaces: segment.replaces, chunks, packs });
  }
  return { index, segments, indexedAtMs };
}

/** Packs that were put between the two listings, or that the listing doesn't show yet. */
async function addUnlistedPacks(context: RepositoryContext, index: RepositoryIndex, stored: Map<string, StoredPack>): Promise<void> {
  for (const { hash } of index.packs) {
    if (stored.has(hash)) continue;
    const stat = await context.store.stat(packName(hash));
    if (stat) stored.set(hash, { sizeBytes: stat.sizeBytes, modifiedAtMs: stat.modifiedAt.getTime() });
  }
}
