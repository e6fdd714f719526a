import { RahatError } from '@rahat/contracts';
import { throwIfCancelled } from '../bounded-store.js';
import type { RepositoryContext } from '../context.js';
import type { IndexedPack } from '../index/index-segment.js';
import { chooseSegments, namedSegments, replacedSegments, rewriteSegments } from '../index/segment-compaction.js';
import { indexName, packName } from '../layout.js';
import type { Lease } from '../leases/lease.js';
import { NO_SERVER_TIME_MARGIN_MS } from '../leases/lease-survey.js';
import { isLogId } from '../manifests/manifest-ids.js';
import { untilListed } from '../listing-lag.js';
import { removeUnlessLocked } from '../object-lock/refused-removals.js';
import { chunkIdAt, type PackTable } from '../packs/pack-table.js';
import type { CollectReport } from '../repository.js';
import type { ChunkReference } from '../snapshots/recipes.js';
import { readPack } from './adoption.js';
import { putCollection, type Collection, type CondemnationReason } from './collection-files.js';
import { chooseCandidates, isSparse, type Candidate, type PackSituation } from './condemnation.js';
import { mergeSmallLogs } from './log-merger.js';
import type { LiveMarks } from './live-marks.js';
import { PackCopier } from './pack-copier.js';
import { emptyReport } from './report.js';
import { lookAtRepository, type CollectorOptions, type View } from './view.js';

interface Deletions {
  /** Their files go when none of their packs is left. */
  collections: Collection[];
  packs: Set<string>;
  /**
   * They stay condemned, so that nobody counts on them; what lives in them is copied unless it has been, and a call after the end of all
   * sessions that don't know the copies deletes them.
   */
  rescued: Set<string>;
}

/**
 * One collection (repository.md §8): deletes what an earlier one condemned, and condemns anew. It may be stopped anywhere and run
 * beside others: whatever it does is right for good when it does it, and the next one carries on.
 */
export class Collector {
  private readonly report: CollectReport;
  private readonly lockedPacks = new Set<string>();

  constructor(
    private readonly context: RepositoryContext,
    private readonly lease: Lease,
    private readonly options: CollectorOptions,
  ) {
    this.report = emptyReport(options.dryRun);
  }

  async run(): Promise<CollectReport> {
    const view = await lookAtRepository(this.context, this.lease, this.options);
    try {
      this.reportView(view);
      if (!this.options.dryRun) this.report.mergedLogs = await mergeSmallLogs(this.context, this.lease, view, this.options.signal);
      const deletions = await this.decideDeletions(view);
      await this.condemn(view, deletions);
      if (!this.options.dryRun) await this.delete(view, deletions);
      return this.report;
    } finally {
      view.index.close();
    }
  }

  private async decideDeletions(view: View): Promise<Deletions> {
    const deletions: Deletions = { collections: [], packs: new Set(), rescued: new Set() };
    const blockers = new Set<string>();
    for (const collection of view.collections) {
      const isDue = this.isDue(collection, view, blockers);
      if (isDue) deletions.collections.push(collection);
      for (const hash of collection.condemned) {
        const pack = view.stored.get(hash);
        if (!pack) continue;
        if (isDue) deletions.packs.add(hash);
        else count(this.report.waiting, pack.sizeBytes);
      }
    }
    if (this.context.protocol.markAgain) await this.rescueNeeded(deletions, view, blockers);
    this.report.waitingFor = [...blockers];
    await this.keepLocked(deletions, view);
    for (const hash of deletions.packs) count(this.report.deleted, view.stored.get(hash)!.sizeBytes);
    return deletions;
  }

  /** A session that began before the condemnation was visible may refer to its packs; one that began later doesn't. */
  private isDue({ condemnedAtMs }: Collection, { leases }: View, blockers: Set<string>): boolean {
    const { protocol } = this.context;
    const graceMs = protocol.deleteAfterGrace ? this.options.graceMs + this.marginMs : 0;
    if (this.lease.serverTimeAtLeastMs() - condemnedAtMs < graceMs) return false;
    const waits = this.waitsForSessionsUntil(this.visibleAtMs(condemnedAtMs), leases, blockers);
    return !waits || !protocol.deleteAfterOlderSessions;
  }

  private get marginMs(): number {
    return this.context.store.capabilities.serverTime ? 0 : NO_SERVER_TIME_MARGIN_MS;
  }

  /** Whether sessions that began no later than this are alive; they are told as what the collection waits for. */
  private waitsForSessionsUntil(latestMs: number, { live }: View['leases'], blockers: Set<string>): boolean {
    const older = live.filter(({ beganAtMs }) => beganAtMs <= latestMs);
    older.forEach(({ kind, holder }) => blockers.add(`${kind} ${holder}`));
    return older.length > 0;
  }

  /** From then on everybody who looks sees what was put at this time. */
  private visibleAtMs(putAtMs: number): number {
    const { protocol, store } = this.context;
    return putAtMs + this.marginMs + (protocol.waitForListings ? store.capabilities.listLagMs : 0);
  }

  /**
   * Each live chunk must have a home that no collection condemns. A pack that is rescued isn't released: another collector, for whom
   * a newer backup has stored its chunks anew, may be about to delete it. Where several condemned packs hold the only copies all of them
   * stay: another collection, which sees the same, must not choose another one.
   */
  private async rescueNeeded(deletions: Deletions, view: View, blockers: Set<string>): Promise<void> {
    const { index, marks, condemned, stored } = view;
    const { homesAreNotCondemned, homesAreKnownToSessions, rescue } = this.context.protocol;
    const homeOf = (id: Buffer): number => index.chunks.get(id)?.pack ?? -1;
    const isOther = (home: number, hash: string): boolean => {
      const other = index.packs[home]?.hash;
      return homesAreNotCondemned ? other === undefined || !condemned.has(other) : other !== hash;
    };
    for await (const { hash, table } of this.tablesOf(deletions.packs, view)) {
      const homes = new Set(liveChunks(table, marks).map(({ id }) => homeOf(id)));
      const needed = rescue && [...homes].some((home) => !isOther(home, hash));
      const unknown = [...homes].filter((home) => homesAreKnownToSessions && !this.isKnownToAll(home, view, blockers));
      if (!needed && unknown.length === 0) continue;
      deletions.packs.delete(hash);
      deletions.rescued.add(hash);
      count(needed ? this.report.rescued : this.report.waiting, stored.get(hash)!.sizeBytes);
    }
  }

  /**
   * Who began before the index named this home of a chunk reads from a condemned one. Who began after this collection isn't among the
   * leases, and has seen what was there before it.
   */
  private isKnownToAll(home: number, { index, indexedAtMs, leases }: View, blockers: Set<string>): boolean {
    if (index.packs[home] === undefined) return true;
    const seenAtMs = this.visibleAtMs(indexedAtMs.get(home) ?? Infinity);
    return !this.waitsForSessionsUntil(seenAtMs, leases, blockers) && this.lease.beganAtMs > seenAtMs;
  }

  /** The storage would refuse to remove them. They stay condemned, and in the index, until a later call. */
  private async keepLocked({ packs }: Deletions, { stored }: View): Promise<void> {
    for (const hash of packs) {
      if (!(await this.isLocked(hash, 0))) continue;
      packs.delete(hash);
      this.noteLocked(hash, stored.get(hash)!.sizeBytes);
    }
  }

  private async isLocked(hash: string, forMs: number): Promise<boolean> {
    const { store } = this.context;
    if (!store.capabilities.objectLock) return false;
    const { lockedUntil } = (await store.stat(packName(hash))) ?? {};
    return lockedUntil !== undefined && lockedUntil.getTime() > this.lease.serverTimeAtLeastMs() + forMs;
  }

  private noteLocked(hash: string, sizeBytes: number): void {
    this.lockedPacks.add(hash);
    count(this.report.locked, sizeBytes);
  }

  private async condemn(view: View, { rescued }: Deletions): Promise<void> {
    const { keys } = this.context;
    const { index, stored, condemned, marks, isOld } = view;
    const situations = index.packs.flatMap((pack, number) => {
      const file = stored.get(pack.hash);
      if (!file) return [];
      const copyable = pack.kind === 'metadata' || keys.packPrivate !== undefined;
      return { number, pack, liveBytes: marks.liveBytes[number]!, old: isOld(file), condemned: condemned.has(pack.hash), copyable };
    });
    for (const situation of situations) this.noteUnopened(situation);
    const candidates: Candidate[] = [];
    for (const candidate of chooseCandidates(situations, this.context.config.packSizeBytes)) {
      const { hash, sizeBytes } = candidate.pack;
      // To copy what can't be deleted for long would only cost more.
      if (await this.isLocked(hash, this.options.graceMs)) this.noteLocked(hash, sizeBytes);
      else candidates.push(candidate);
    }
    if (this.options.dryRun) return this.putCollection(candidates, view);
    const needed = situations.filter(({ pack, copyable }) => copyable && rescued.has(pack.hash));
    const unreadable = await this.copyLiveChunks([...candidates, ...needed], view);
    await this.putCollection(
      candidates.filter(({ number }) => !unreadable.has(number)),
      view,
    );
  }

  /** It would be rewritten, had this collection the key that opens it. */
  private noteUnopened({ pack, liveBytes, old, condemned, copyable }: PackSituation): void {
    if (copyable || !old || condemned || liveBytes === 0 || !isSparse({ pack, liveBytes })) return;
    count(this.report.unopened, pack.sizeBytes);
    this.report.unopened.liveBytes += liveBytes;
  }

  private async putCollection(candidates: Candidate[], view: View): Promise<void> {
    const packs = [
      ...candidates.map(({ pack: { hash, sizeBytes }, liveBytes, reason }) => ({ hash, sizeBytes, liveBytes, reason })),
      ...view.unreadable.map((hash) => ({
        hash,
        sizeBytes: view.stored.get(hash)!.sizeBytes,
        liveBytes: 0,
        reason: 'unreadable' as const,
      })),
    ];
    if (packs.length > 0 && !this.options.dryRun) {
      this.lease.assertHeld();
      await putCollection(this.context, packs, view.collections);
    }
    for (const { reason, sizeBytes, liveBytes } of packs) this.reportCondemned(reason, sizeBytes, liveBytes);
  }

  /** Afterwards the live chunks have another home. Gives the numbers of packs that can't be read: they stay, for a repair. */
  private async copyLiveChunks(candidates: Pick<Candidate, 'number' | 'pack' | 'liveBytes'>[], view: View): Promise<Set<number>> {
    const copier = new PackCopier(this.context, view.index, this.lease, this.options.signal);
    const numbers = new Map(candidates.filter(({ liveBytes }) => liveBytes > 0).map(({ number, pack }) => [pack.hash, number]));
    const unreadable = new Set<number>();
    for await (const { hash, kind, table } of this.tablesOf(new Set(numbers.keys()), view)) {
      const number = numbers.get(hash)!;
      try {
        await copier.copy(
          kind,
          liveChunks(table, view.marks).filter(({ id }) => view.index.chunks.get(id)?.pack === number),
        );
      } catch (error) {
        if (!(error instanceof RahatError) || error.code !== 'repository_damaged') throw error;
        unreadable.add(number);
        this.report.unreadable.push({ file: packName(hash), message: error.message });
      }
    }
    await copier.finish();
    this.report.copied = copier.copied;
    return unreadable;
  }

  /** Index first, so that it never names a pack that is gone; collections last, so that nobody counts on a doomed pack. */
  private async delete({ index, segments, stored }: View, deletions: Deletions): Promise<void> {
    const { store, protocol } = this.context;
    const isKept = (hash: string): boolean => !deletions.packs.has(hash) && stored.has(hash);
    const leftBehind = replacedSegments(segments);
    const standing = segments.filter(({ id }) => !leftBehind.includes(id));
    const chosen = chooseSegments(standing, (number) => isKept(index.packs[number]!.hash));
    if (!protocol.replaceBeforeRemoving) for (const { id } of chosen) await store.remove(indexName(id));
    const rewritten = await rewriteSegments(this.context, chosen, isKept, () => this.lease.assertHeld());
    await this.removeOnceListed([...leftBehind, ...rewritten].map(indexName));
    this.report.replacedSegments = leftBehind.length + rewritten.length;
    for (const hash of deletions.packs) if (!(await this.remove(packName(hash)))) this.noteRefused(hash, stored.get(hash)!.sizeBytes);
    const stays = (hash: string): boolean => this.lockedPacks.has(hash) || (deletions.rescued.has(hash) && protocol.rescuedStayCondemned);
    const finished = deletions.collections.filter(({ condemned }) => !condemned.some(stays));
    // One after the other, the newest first: whatever a lagging listing shows, it is a state that has been.
    for (const { name } of finished.toReversed()) await this.removeOnceListed([name]);
  }

  private async removeOnceListed(names: string[]): Promise<void> {
    if (names.length > 0) await untilListed(this.context);
    for (const name of names) await this.remove(name);
  }

  /** A lock that was set since, or that the storage doesn't tell of: the pack stays in its collection for a later call. */
  private noteRefused(hash: string, sizeBytes: number): void {
    this.noteLocked(hash, sizeBytes);
    this.report.deleted.packs--;
    this.report.deleted.bytes -= sizeBytes;
  }

  private async remove(name: string): Promise<boolean> {
    throwIfCancelled(this.options.signal);
    this.lease.assertHeld();
    return removeUnlessLocked(this.context.store, name, { signal: this.options.signal });
  }

  /** What lies in these packs: from the index, else from their footers. One that can't be read holds nothing that can be saved. */
  private async *tablesOf(hashes: ReadonlySet<string>, { stored }: View): AsyncGenerator<IndexedPack> {
    const wanted = new Set(hashes);
    if (wanted.size === 0) return;
    for await (const { segment } of namedSegments(this.context)) {
      for (const pack of segment.packs) if (wanted.delete(pack.hash)) yield pack;
    }
    for (const hash of wanted) {
      const pack = await readPack(this.context, hash, stored.get(hash)!.sizeBytes, this.options.signal);
      if (typeof pack !== 'string') yield pack;
    }
  }

  private reportView({ leases, marks, index, purged, adoptedPacks }: View): void {
    const { snapshots, logs, liveChunks, missingChunks } = marks;
    Object.assign(this.report, { snapshots, logs, liveChunks, missingChunks, adoptedPacks, chunks: index.chunks.size });
    this.report.purgedSnapshots = purged.filter((id) => !isLogId(id));
    this.report.purgedLogs = purged.filter(isLogId);
    this.report.expiredLeases = leases.expired;
  }

  private reportCondemned(reason: CondemnationReason, sizeBytes: number, liveBytes: number): void {
    const amount = this.report.condemned[reason];
    count(amount, sizeBytes);
    amount.liveBytes += liveBytes;
  }
}

function liveChunks(table: PackTable, marks: LiveMarks): ChunkReference[] {
  const chunks: ChunkReference[] = [];
  table.chunkLengths.forEach((length, i) => {
    const id = chunkIdAt(table, i);
    if (marks.isLive(id)) chunks.push({ id, length });
  });
  return chunks;
}

function count(amount: { packs: number; bytes: number }, sizeBytes: number): void {
  amount.packs++;
  amount.bytes += sizeBytes;
}
