import { RahatError } from '@rahat/contracts';
import { throwIfCancelled } from '../bounded-store.js';
import { listPacks, packStatement } from '../check/indexed-packs.js';
import { readCondemnedPacks } from '../collection/collection-files.js';
import type { RepositoryContext } from '../context.js';
import type { IndexedPack } from '../index/index-segment.js';
import { loadIndexForWriting } from '../index/load-index.js';
import { RepositoryIndex } from '../index/repository-index.js';
import { openIndexSegment, packsOfSegment } from '../index/segment-files.js';
import { INDEX_PREFIX } from '../layout.js';
import type { Lease } from '../leases/lease.js';
import { surveyLeases } from '../leases/lease-survey.js';
import { untilListed } from '../listing-lag.js';
import { rewriteIndex } from '../repair/index-rewrite.js';
import { readPackDirectories } from '../repair/pack-directories.js';
import { REPAIR_WRITER, takeLease } from '../repair/repair-index.js';
import { setAside } from '../repair/repair-packs.js';
import { ChunkIntake } from '../writing/chunk-intake.js';
import { judgeClaims, vouchedPacks, type PackTruth, type SegmentClaims } from './claims.js';
import type { Distrusted, DistrustOptions, DistrustReport } from './distrust-report.js';
import { tryPack } from './pack-trial.js';
import { affectedSnapshots, trySnapshots } from './snapshot-trial.js';

/**
 * Takes back what rests on a writer's word alone (repository.md §4): its segments go, the packs that nobody else vouches for are
 * read and compared with every chunk's id, and what lies is set aside after what is true in it was stored anew. No manifest is
 * touched; broken off at any moment, every chunk that could be read before can be read afterwards, and a repetition goes on.
 */
export async function distrust(context: RepositoryContext, whom: Distrusted, options: DistrustOptions = {}): Promise<DistrustReport> {
  const { signal, dryRun = false } = options;
  await using lease = await takeLease(context, { dryRun });
  // In this order: every pack that a listed segment names was put before it.
  const claims = await readClaims(context);
  await untilListed(context);
  const vouched = vouchedPacks(claims, whom);
  using index = new RepositoryIndex();
  const packs = await tryPacks(context, { vouched, index, options });
  await addVouchedPacks(context, claims.keys(), { vouched, index });
  const { snapshots, writers } = await trySnapshots(context, index, whom, options);
  const affected = await affectedSnapshots(context, index, signal);
  for (const { writer } of claims.values()) writers.add(writer);
  const { dropped, rewritten } = judgeClaims(claims, packs.truths, { whom, condemned: await readCondemnedPacks(context) });

  const report: DistrustReport = {
    dryRun,
    writers: [...writers].sort(),
    droppedSegments: dropped,
    triedPacks: packs.tried,
    triedBytes: packs.triedBytes,
    lyingPacks: packs.lying,
    savedChunks: 0,
    savedBytes: 0,
    lockedPacks: [],
    affected,
    snapshots,
    openSessions: [],
  };
  if (!lease.held) return report;
  report.openSessions = await openSessions(context, lease.held);
  const restated = restatePacks(context, rewritten, { truths: packs.truths, dropped, signal });
  if (dropped.length + rewritten.length > 0)
    await rewriteIndex(context, lease.held, { writer: REPAIR_WRITER, replaced: dropped, packs: restated });
  const saved = await replaceLyingPacks(context, packs.lying, lease.held, signal);
  return { ...report, ...saved };
}

async function readClaims(context: RepositoryContext): Promise<Map<string, SegmentClaims>> {
  const claims = new Map<string, SegmentClaims>();
  for await (const { name } of context.store.list(INDEX_PREFIX)) {
    try {
      const { writer, packs } = openIndexSegment(context, name, await context.store.get(name));
      claims.set(name, { writer, statements: new Map(packs.map((pack) => [pack.hash, packStatement(pack)])) });
    } catch (error) {
      // A damaged one says nothing, which is for `repairIndex`; one that vanished was compacted away.
      if (!(error instanceof RahatError) || !['repository_damaged', 'blob_not_found'].includes(error.code)) throw error;
    }
  }
  return claims;
}

interface PackTrials {
  truths: Map<string, PackTruth>;
  lying: DistrustReport['lyingPacks'];
  tried: number;
  triedBytes: number;
}

/** Adds to the index what is true of each pack that nobody vouches for. */
async function tryPacks(
  context: RepositoryContext,
  { vouched, index, options }: { vouched: ReadonlyMap<string, string>; index: RepositoryIndex; options: DistrustOptions },
): Promise<PackTrials> {
  const { signal, onProgress } = options;
  const stored = [...(await listPacks(context, () => undefined)).keys()];
  const suspects = stored.filter((hash) => !vouched.has(hash));
  const trials: PackTrials = { truths: new Map(), lying: [], tried: 0, triedBytes: 0 };
  for (const hash of stored) {
    const statement = vouched.get(hash);
    if (statement !== undefined) trials.truths.set(hash, { state: 'true', statement });
  }
  for (const [i, hash] of suspects.entries()) {
    throwIfCancelled(signal);
    const tried = await tryPack(context, hash, { signal });
    onProgress?.({ phase: 'packs', done: i + 1, total: suspects.length });
    if (!tried) continue;
    const { sizeBytes, directory, lie } = tried;
    trials.tried++;
    trials.triedBytes += sizeBytes;
    if (directory) index.addPack({ hash, sizeBytes, ...directory });
    if (lie) trials.lying.push({ pack: hash, ...lie, trueChunks: directory?.table.chunkFrames.length ?? 0 });
    const truth: PackTruth = lie ? { state: 'lying' } : { state: 'true', statement: packStatement({ sizeBytes, ...directory! }) };
    trials.truths.set(hash, truth);
  }
  return trials;
}

async function addVouchedPacks(
  context: RepositoryContext,
  segments: Iterable<string>,
  { vouched, index }: { vouched: ReadonlyMap<string, string>; index: RepositoryIndex },
): Promise<void> {
  for (const name of segments) {
    for (const pack of await packsOfSegment(context, name)) {
      if (vouched.get(pack.hash) === packStatement(pack)) index.addPack(pack);
    }
  }
}

/** In the words that were proven: from the packs' footers, or, where these say something else by now, from the dropped segments. */
async function* restatePacks(
  context: RepositoryContext,
  hashes: string[],
  from: { truths: ReadonlyMap<string, PackTruth>; dropped: string[]; signal?: AbortSignal },
): AsyncGenerator<IndexedPack> {
  const isTrue = (pack: IndexedPack): boolean => {
    const truth = from.truths.get(pack.hash);
    return truth?.state === 'true' && truth.statement === packStatement(pack);
  };
  const wanted = new Set(hashes);
  const sizes = await listPacks(context, () => undefined);
  const present = hashes.flatMap((hash): [string, number][] => (sizes.has(hash) ? [[hash, sizes.get(hash)!]] : []));
  for await (const found of readPackDirectories(context, present, from.signal)) {
    if (found.state !== 'readable') continue;
    const pack = { hash: found.hash, sizeBytes: found.sizeBytes, ...found.directory };
    if (isTrue(pack) && wanted.delete(pack.hash)) yield pack;
  }
  for (const name of wanted.size > 0 ? from.dropped : []) {
    for (const pack of await packsOfSegment(context, name)) if (isTrue(pack) && wanted.delete(pack.hash)) yield pack;
  }
}

/** First what is true in them is stored anew, then they go. */
async function replaceLyingPacks(
  context: RepositoryContext,
  lying: DistrustReport['lyingPacks'],
  lease: Lease,
  signal: AbortSignal | undefined,
): Promise<Partial<DistrustReport>> {
  if (lying.length === 0) return {};
  using index = await loadIndexForWriting(context);
  for (const { pack } of lying) {
    const number = index.packNumber(pack);
    if (number !== undefined) index.barPack(number);
  }
  await using intake = new ChunkIntake(context, index, lease, { writer: REPAIR_WRITER, signal });
  for (const { pack } of lying) {
    await tryPack(context, pack, {
      signal,
      // A pack doesn't tell the class of its data; readers don't distinguish them.
      onTrueChunk: (kind, id, bytes) => intake.take(kind === 'data' ? 'rows' : 'recipe', id, bytes),
    });
  }
  await intake.flush();
  const lockedPacks: string[] = [];
  for (const { pack } of lying) if (!(await setAside(context, pack, lease))) lockedPacks.push(pack);
  return { savedChunks: intake.chunks, savedBytes: intake.plainBytes, lockedPacks };
}

async function openSessions(context: RepositoryContext, lease: Lease): Promise<string[]> {
  const { live } = await surveyLeases(context, lease, { removeExpired: false });
  return live.map(({ kind, holder }) => `${kind} ${holder}`);
}
