import { RahatError } from '@rahat/contracts';
import { throwIfCancelled } from '../bounded-store.js';
import type { RepositoryContext } from '../context.js';
import { RepositoryIndex } from '../index/repository-index.js';
import { openIndexSegment } from '../index/segment-files.js';
import { parseKeyslot } from '../keys/keyslots.js';
import { INDEX_PREFIX, KEYS_PREFIX, LEASES_PREFIX, packHash, packName, PACKS_PREFIX } from '../layout.js';
import { Lease, openLease } from '../leases/lease.js';
import type { CheckOptions, CheckProblem, CheckReport } from '../repository.js';
import { SnapshotMarker } from './snapshot-marker.js';
import { MeteredStore } from './metered-store.js';
import { checkPack } from './pack-check.js';

/** repository.md §11. Reads only; says of each damage which snapshots and objects it affects. */
export async function checkRepository(repository: RepositoryContext, options: CheckOptions): Promise<CheckReport> {
  throwIfCancelled(options.signal);
  const store = new MeteredStore(repository.store, repository.leaseTtlMs / 8);
  const context = { ...repository, store };
  const lease = await Lease.takeForReading(context);
  try {
    const report = await checkUnderLease(context, options, () => lease?.now() ?? context.clock.now());
    return { ...report, checkedBytes: store.readBytes };
  } finally {
    await lease?.release().catch(() => undefined);
  }
}

async function checkUnderLease(
  context: RepositoryContext,
  options: CheckOptions,
  now: () => Date,
): Promise<Omit<CheckReport, 'checkedBytes'>> {
  const problems: CheckProblem[] = [];
  const report = (severity: CheckProblem['severity'], file: string, message: string): void =>
    void problems.push({ severity, file, message, affects: [] });
  const wholeRepository = options.snapshots === undefined;

  if (wholeRepository) await checkKeyslots(context, report);
  const stored = await listPacks(context);
  using index = await loadReadableIndex(context, stored, report);
  const marker = new SnapshotMarker(context, index, problems);
  await marker.markAll(options);

  const live = marker.livePacks();
  const damaged = new Set<string>();
  const progress = {
    checkedBytes: 0,
    totalBytes: index.packs.reduce((sum, { sizeBytes }, i) => sum + (live.has(i) || wholeRepository ? sizeBytes : 0), 0),
  };
  for (const [number, pack] of index.packs.entries()) {
    throwIfCancelled(options.signal);
    if (!live.has(number) && !wholeRepository) continue;
    const message = await checkPack(context, index, number, stored.get(pack.hash), options);
    if (message !== undefined && live.has(number)) {
      damaged.add(pack.hash);
      report('damage', packName(pack.hash), message);
    } else if (message !== undefined) {
      report('notice', packName(pack.hash), `${message} No snapshot needs it.`);
    } else if (!live.has(number)) {
      report('orphan', packName(pack.hash), 'No snapshot refers to this pack; a collection will remove it.');
    }
    progress.checkedBytes += pack.sizeBytes;
    options.onProgress?.({ ...progress });
  }
  if (wholeRepository) {
    for (const hash of stored.keys()) {
      if (index.packNumber(hash) === undefined)
        report('orphan', packName(hash), 'No index segment names this pack: its writer did not come to an end.');
    }
    await checkLeases(context, now(), report);
  }
  if (damaged.size > 0) await marker.nameAffected(damaged, options);
  return {
    level: options.level,
    healthy: !problems.some(({ severity }) => severity === 'damage'),
    snapshots: marker.snapshots,
    packs: wholeRepository ? stored.size : live.size,
    chunks: wholeRepository ? index.chunks.size : marker.liveChunks,
    orphanPacks: problems.filter(({ severity, file }) => severity === 'orphan' && file.startsWith(PACKS_PREFIX)).length,
    problems,
  };
}

type Report = (severity: CheckProblem['severity'], file: string, message: string) => void;

/** The index as far as it opens; a damaged segment is reported, and what only it knew turns up as missing chunks. */
async function loadReadableIndex(
  context: RepositoryContext,
  stored: ReadonlyMap<string, number>,
  report: Report,
): Promise<RepositoryIndex> {
  const index = new RepositoryIndex();
  for await (const { name } of context.store.list(INDEX_PREFIX)) {
    try {
      for (const pack of openIndexSegment(context, name, await context.store.get(name)).packs) {
        const number = index.addPack(pack);
        // A chunk that also lies in a pack that is there has its home in that one.
        if (stored.get(pack.hash) !== pack.sizeBytes) index.avoidPack(number);
      }
    } catch (error) {
      const { code, message } = RahatError.from(error);
      // Compacted away since it was listed.
      if (code === 'blob_not_found') continue;
      if (!code.startsWith('repository_')) throw error;
      report('damage', name, message);
    }
  }
  return index;
}

async function listPacks(context: RepositoryContext): Promise<Map<string, number>> {
  const packs = new Map<string, number>();
  for await (const { name, sizeBytes } of context.store.list(PACKS_PREFIX)) packs.set(packHash(name), sizeBytes);
  return packs;
}

async function checkKeyslots(context: RepositoryContext, report: Report): Promise<void> {
  for await (const { name } of context.store.list(KEYS_PREFIX)) {
    try {
      parseKeyslot(name, await context.store.get(name));
    } catch (error) {
      const { code, message } = RahatError.from(error);
      if (!code.startsWith('repository_')) throw error;
      report('damage', name, message);
    }
  }
}

async function checkLeases(context: RepositoryContext, now: Date, report: Report): Promise<void> {
  const { store } = context;
  for await (const { name, modifiedAt } of store.list(LEASES_PREFIX)) {
    try {
      const { kind, holder, ttlMs } = openLease(context, name, await store.get(name));
      const ageMs = now.getTime() - modifiedAt.getTime();
      if (ageMs > ttlMs) report('notice', name, `Expired lease of a ${kind} (${holder}): it ended without closing its session.`);
    } catch (error) {
      const { code, message } = RahatError.from(error);
      if (code === 'blob_not_found') continue;
      if (!code.startsWith('repository_')) throw error;
      report('notice', name, message);
    }
  }
}
