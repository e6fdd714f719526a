import { createHash } from 'node:crypto';
import { RahatError } from '@rahat/contracts';
import { throwIfCancelled } from '../bounded-store.js';
import type { RepositoryContext } from '../context.js';
import type { RepositoryIndex } from '../index/repository-index.js';
import { packName, PACKS_PREFIX } from '../layout.js';
import { Lease } from '../leases/lease.js';
import type { CheckOptions, CheckProblem, CheckReport } from '../repository.js';
import { assertShare, belongsToShare } from './check-share.js';
import type { FrameSurvey } from './frame-survey.js';
import { avoidAbsentPacks, listPacks, readIndexedPacks, type IndexedPacks, type Report } from './indexed-packs.js';
import { MeteredStore } from './metered-store.js';
import { checkPack, type PackDamage } from './pack-check.js';
import { checkRepositoryFiles } from './repository-files.js';
import { listManifests, ManifestMarker } from './manifest-marker.js';

/** repository.md §11. Reads only; says of each damage which snapshots and objects it affects. */
export async function checkRepository(repository: RepositoryContext, options: CheckOptions): Promise<CheckReport> {
  return (await examineRepository(repository, options)).report;
}

export interface Examination {
  report: CheckReport;
  /** By hash: packs of the index that are damaged or missing, whether a snapshot needs them or not. */
  damagedPacks: ReadonlyMap<string, PackDamage>;
}

/** A check that also says, for those who repair, where exactly the damage is. */
export async function examineRepository(repository: RepositoryContext, options: CheckOptions): Promise<Examination> {
  throwIfCancelled(options.signal);
  if (options.share) assertShare(options.share);
  const store = new MeteredStore(repository.store, repository.leaseTtlMs / 8, repository.clock);
  const context = { ...repository, store };
  const lease = await Lease.takeForReading(context);
  try {
    const check = new RepositoryCheck(context, options);
    const report = await check.run(() => lease?.now() ?? context.clock.now());
    return { report: { ...report, checkedBytes: store.readBytes }, damagedPacks: check.damagedPacks };
  } finally {
    await lease?.release().catch(() => undefined);
  }
}

/** Packs that a snapshot needs and that are damaged, by number: which of their frames, and the problem that tells of them. */
type DamagedPacks = Map<number, { frames: FrameSurvey['damaged']; problem: CheckProblem }>;

class RepositoryCheck {
  readonly damagedPacks = new Map<string, PackDamage>();
  private readonly problems: CheckProblem[] = [];
  private readonly wholeRepository: boolean;
  private readonly coverage = { packs: 0, totalPacks: 0, bytes: 0, totalBytes: 0 };

  constructor(
    private readonly context: RepositoryContext,
    private readonly options: CheckOptions,
  ) {
    this.wholeRepository = options.snapshots === undefined;
  }

  async run(now: () => Date): Promise<Omit<CheckReport, 'checkedBytes'>> {
    const { context, options, problems, wholeRepository } = this;
    if (wholeRepository) await checkRepositoryFiles(context, now, this.report);
    // Against the order of writing, so that a backup that ends meanwhile doesn't look like damage.
    const manifests = await listManifests(context, options);
    const indexed = await readIndexedPacks(context, this.report);
    using index = indexed.index;
    const stored = await listPacks(context, this.report);
    avoidAbsentPacks(indexed, stored);
    const marker = new ManifestMarker(context, index, { manifests, problems });
    await marker.markAll(options);
    const damaged = await this.checkPacks(stored, indexed, marker);
    if (wholeRepository) await this.checkUnindexed(stored, indexed);
    if (damaged.size > 0) await this.nameAffected(index, marker, damaged);
    return {
      level: options.level,
      healthy: !problems.some(({ severity }) => severity === 'damage'),
      snapshots: marker.snapshots,
      logs: marker.logs,
      packs: wholeRepository ? stored.size : marker.livePacks().size,
      chunks: wholeRepository ? index.chunks.size : marker.liveChunks,
      duplicateChunks: indexed.chunkRows - index.chunks.size,
      orphanPacks: problems.filter(({ severity, file }) => severity === 'orphan' && file.startsWith(PACKS_PREFIX)).length,
      coverage: { ...this.coverage, share: options.share },
      problems,
    };
  }

  private readonly report: Report = (severity, file, message) => void this.problems.push({ severity, file, message, affects: [] });

  private async checkPacks(stored: ReadonlyMap<string, number>, indexed: IndexedPacks, marker: ManifestMarker): Promise<DamagedPacks> {
    const { options, wholeRepository } = this;
    const live = marker.livePacks();
    const damaged: DamagedPacks = new Map();
    const lying = new Set<string>();
    const wanted = [...indexed.index.packs.entries()].filter(([number]) => wholeRepository || live.has(number));
    const progress = { checkedBytes: 0, totalBytes: wanted.reduce((sum, [, { sizeBytes }]) => sum + sizeBytes, 0) };
    for (const [number, { hash, sizeBytes }] of wanted) {
      throwIfCancelled(options.signal);
      // A listing may lag behind the storage's truth.
      const storedBytes = stored.get(hash) ?? (await this.context.store.stat(packName(hash)))?.sizeBytes;
      const pack = { hash, storedBytes, sizeBytes, statements: indexed.statements.get(hash)! };
      const { damage, lyingSegments } = await checkPack(this.context, pack, { ...options, level: this.levelFor(hash, storedBytes) });
      for (const segment of lyingSegments) lying.add(segment);
      if (damage) this.damagedPacks.set(hash, damage);
      if (damage && live.has(number)) {
        const problem: CheckProblem = { severity: 'damage', file: packName(hash), message: damage.message, affects: [] };
        this.problems.push(problem);
        damaged.set(number, { frames: damage.frames, problem });
      } else if (damage) this.report('notice', packName(hash), `${damage.message} No readable snapshot needs it.`);
      else if (!live.has(number)) this.report('orphan', packName(hash), 'No readable snapshot refers to this pack.');
      progress.checkedBytes += sizeBytes;
      options.onProgress?.({ ...progress });
    }
    for (const segment of lying) this.report('damage', segment, 'The index segment says other things of a pack than the pack itself.');
    return damaged;
  }

  /** Outside of the share only the structure is looked at. Counts what is read whole, because a report must not claim more. */
  private levelFor(hash: string, storedBytes: number | undefined): CheckOptions['level'] {
    const { level, share } = this.options;
    if (storedBytes === undefined) return level;
    this.coverage.totalPacks++;
    this.coverage.totalBytes += storedBytes;
    if (level === 'structure' || (share && !belongsToShare(hash, share))) return 'structure';
    this.coverage.packs++;
    this.coverage.bytes += storedBytes;
    return level;
  }

  private async checkUnindexed(stored: ReadonlyMap<string, number>, { index }: IndexedPacks): Promise<void> {
    for (const [hash, storedBytes] of stored) {
      if (index.packNumber(hash) !== undefined) continue;
      throwIfCancelled(this.options.signal);
      this.report('orphan', packName(hash), 'No readable index segment names this pack: its writer did not come to an end.');
      if (this.levelFor(hash, storedBytes) === 'structure') continue;
      const file = await this.context.store.get(packName(hash), undefined, { signal: this.options.signal }).catch(vanished);
      if (file && createHash('sha256').update(file).digest('hex') !== hash)
        this.report('notice', packName(hash), 'The content of the pack does not match its name (SHA-256).');
    }
  }

  /** What has another copy in a sound place is not affected: readers go there. */
  private async nameAffected(index: RepositoryIndex, marker: ManifestMarker, damaged: DamagedPacks): Promise<void> {
    const isBad = (pack: number, frame: number): boolean => {
      const frames = damaged.get(pack)?.frames;
      return frames === 'all' || (frames?.has(frame) ?? false);
    };
    for (const pack of damaged.keys()) index.avoidPack(pack);
    await marker.nameAffected(({ pack, frame }) => (isBad(pack, frame) ? damaged.get(pack)?.problem : undefined), this.options);
    for (const { problem } of damaged.values()) {
      if (problem.affects.length === 0) problem.message += ' All that snapshots need of it can be read elsewhere or was not hit.';
    }
  }
}

/** Collected since it was listed. */
function vanished(error: unknown): undefined {
  if (!(error instanceof RahatError) || error.code !== 'blob_not_found') throw error;
  return undefined;
}
