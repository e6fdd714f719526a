import { RahatError } from '@rahat/contracts';
import { listPacks, packStatement } from '../check/indexed-packs.js';
import type { RepositoryContext } from '../context.js';
import type { IndexedPack } from '../index/index-segment.js';
import { openIndexSegment, packsOfSegment } from '../index/segment-files.js';
import { INDEX_PREFIX } from '../layout.js';
import { Lease } from '../leases/lease.js';
import { untilListed } from '../listing-lag.js';
import { judgeIndex, type SegmentContent, type PackTruth } from './index-judgement.js';
import { rewriteIndex } from './index-rewrite.js';
import { readPackDirectories } from './pack-directories.js';
import type { IndexRepair, RepairOptions } from './repair-reports.js';

export const REPAIR_WRITER = 'repair';

/**
 * Rebuilds what is wrong of the index from the packs' footers (repository.md §11). Sound segments stay as they are, so that
 * repeating it changes nothing. Writers may go on meanwhile: only segments that stood when it began are replaced.
 */
export async function repairIndex(context: RepositoryContext, options: RepairOptions = {}): Promise<IndexRepair> {
  await using lease = await takeLease(context, options);
  // In this order: every pack that a listed segment names was put before it.
  const segments = await readSegments(context);
  await untilListed(context);
  const truths = await readTruths(context, options);
  const judgement = judgeIndex(segments, truths);
  const report: IndexRepair = {
    dryRun: options.dryRun ?? false,
    packs: [...truths.values()].filter(({ state }) => state !== 'gone').length,
    replacedSegments: judgement.replaced,
    writtenSegments: 0,
    addedPacks: judgement.added,
    missingPacks: judgement.missing,
    unreadablePacks: [...truths].flatMap(([pack, truth]) =>
      truth.state === 'unreadable' ? [{ pack, message: truth.message, indexed: judgement.keptUnreadable.has(pack) }] : [],
    ),
  };
  if (!lease.held || judgement.replaced.length + judgement.rewritten.length === 0) return report;
  const packs = packsToWrite(context, judgement.rewritten, { truths, replaced: judgement.replaced.map(({ file }) => file), options });
  const replaced = judgement.replaced.map(({ file }) => file);
  return { ...report, writtenSegments: await rewriteIndex(context, lease.held, { writer: REPAIR_WRITER, replaced, packs }) };
}

/** A dry run writes nothing but a reader's lease. */
export async function takeLease(
  context: RepositoryContext,
  { dryRun }: RepairOptions,
): Promise<{ held: Lease | undefined; [Symbol.asyncDispose](): Promise<void> }> {
  const lease = dryRun ? await Lease.takeForReading(context) : await Lease.take(context, 'writer', REPAIR_WRITER);
  return {
    held: dryRun ? undefined : lease,
    // A lease that stays behind runs out by itself.
    [Symbol.asyncDispose]: async () => lease?.release().catch(() => undefined),
  };
}

async function readSegments(context: RepositoryContext): Promise<Map<string, SegmentContent>> {
  const segments = new Map<string, SegmentContent>();
  for await (const { name } of context.store.list(INDEX_PREFIX)) {
    try {
      const { packs } = openIndexSegment(context, name, await context.store.get(name));
      segments.set(name, { state: 'readable', statements: new Map(packs.map((pack) => [pack.hash, packStatement(pack)])) });
    } catch (error) {
      if (!(error instanceof RahatError)) throw error;
      if (error.code === 'repository_damaged') segments.set(name, { state: 'unreadable', message: error.message });
      // One of a newer version isn't damaged; and one that vanished was compacted away.
      else if (error.code !== 'blob_not_found') throw error;
    }
  }
  return segments;
}

async function readTruths(context: RepositoryContext, { signal, onProgress }: RepairOptions): Promise<Map<string, PackTruth>> {
  const stored = await listPacks(context, () => undefined);
  const truths = new Map<string, PackTruth>();
  for await (const found of readPackDirectories(context, stored, signal)) {
    const { hash, sizeBytes } = found;
    if (found.state === 'readable')
      truths.set(hash, { state: 'readable', sizeBytes, statement: packStatement({ sizeBytes, ...found.directory }) });
    else truths.set(hash, found);
    onProgress?.({ done: truths.size, total: stored.size });
  }
  return truths;
}

/** From their footers; where that can't be read, as the replaced segments say: the frames may be sound all the same. */
async function* packsToWrite(
  context: RepositoryContext,
  hashes: string[],
  from: { truths: ReadonlyMap<string, PackTruth>; replaced: string[]; options: RepairOptions },
): AsyncGenerator<IndexedPack> {
  const readable = hashes.flatMap((hash): [string, number][] => {
    const truth = from.truths.get(hash)!;
    return truth.state === 'readable' ? [[hash, truth.sizeBytes]] : [];
  });
  for await (const found of readPackDirectories(context, readable, from.options.signal)) {
    if (found.state === 'readable') yield { hash: found.hash, sizeBytes: found.sizeBytes, ...found.directory };
    else if (found.state === 'unreadable') throw new RahatError('repository_damaged', found.message);
  }
  const wanted = new Set(hashes.filter((hash) => from.truths.get(hash)!.state === 'unreadable'));
  for (const name of wanted.size > 0 ? from.replaced : []) {
    for (const pack of await packsOfSegment(context, name)) {
      const truth = from.truths.get(pack.hash);
      if (truth?.state === 'unreadable' && truth.sizeBytes === pack.sizeBytes && wanted.delete(pack.hash)) yield pack;
    }
  }
}
