import { openCollection } from '../collection/collection-files.js';
import type { RepositoryContext } from '../context.js';
import { openIndexSegment } from '../index/segment-files.js';
import {
  COLLECTIONS_PREFIX,
  INDEX_PREFIX,
  LEASES_PREFIX,
  packHash,
  PACKS_PREFIX,
  SNAPSHOTS_PREFIX,
  TRASH_PREFIX,
  trashName,
} from '../layout.js';
import { isLogId, manifestIdOf, standingName } from '../manifests/manifest-ids.js';
import { openPackDirectory } from '../packs/pack-reader.js';
import { chunkIdAt, type PackTable } from '../packs/pack-table.js';
import { KnownLeases } from './known-leases.js';
import { KnownLogs } from './known-logs.js';
import type { SimulatedStorage, StoreObserver } from './simulated-store.js';

/** A backup, or a piece of a log, whose writer was told that it succeeded. */
export interface ReportedSnapshot {
  /** Of a log the name under which it was committed; it may have been merged since. */
  id: string;
  /** Of a log. */
  piece?: string;
  /** What its object must give. */
  content: Buffer;
  /** Hex ids of all chunks that it needs, those of its stored recipe too. */
  chunks: string[];
  /** Set when its removal began; until the undo period is over it must be there all the same. */
  trashedAtMs?: number;
  purged: boolean;
  /** When it was reported, or the undo of its removal. */
  reportedAtMs: number;
}

interface KnownPack {
  chunks: string[];
  exists: boolean;
  /** Segments that name it. */
  namedBy: number;
  /** When a collection first named it. */
  condemnedAtMs?: number;
  /** Collections that name it, and when they were put. */
  condemnedBy: Map<string, number>;
}

/**
 * Watches the storage and keeps the promises in mind (repository.md §13): after each single change of the storage every reported
 * snapshot must stand, and each of its chunks must lie in a pack that exists and that the index names.
 */
export class Ledger implements StoreObserver {
  violation: string | undefined;
  readonly reported = new Map<string, ReportedSnapshot>();
  private readonly packs = new Map<string, KnownPack>();
  private readonly homes = new Map<string, Set<string>>();
  private readonly needed = new Map<string, number>();
  private readonly segments = new Map<string, string[]>();
  private readonly collections = new Map<string, string[]>();
  /** Chunks of the snapshots that somebody is about to commit, by lease and id. */
  private readonly attempted = new Map<string, string[]>();
  readonly leases: KnownLeases;
  private readonly logs: KnownLogs;
  storage!: SimulatedStorage;

  constructor(
    private readonly context: Pick<RepositoryContext, 'keys' | 'repositoryId' | 'sealing'>,
    private readonly terms: { undoPeriodMs: number; leaseTtlMs: number; listLagMs: number },
  ) {
    this.logs = new KnownLogs(context);
    this.leases = new KnownLeases(terms.leaseTtlMs, () => this.storage.timeline);
  }

  violate(message: string): void {
    this.violation ??= message;
  }

  /** Said before a commit: its manifest must be whole when it lands, because others may see it before its writer does. */
  attempt(id: string, lease: string | undefined, chunks: string[]): void {
    this.attempted.set(`${lease} ${id}`, chunks);
  }

  /** The moment of the promise. */
  report(snapshot: ReportedSnapshot): void {
    const { id } = snapshot;
    const known = this.reported.get(id);
    if (known) {
      // Its commit was repeated.
      if (!known.content.equals(snapshot.content)) this.violate(`Snapshot ${id} was reported twice, with two contents.`);
      return;
    }
    if (!this.stands(snapshot)) this.violate(`Snapshot ${id} was reported, but its manifest does not stand.`);
    this.reported.set(id, snapshot);
    this.need(snapshot, `when snapshot ${id} was reported`);
  }

  /** The undo of its removal was reported: it is promised anew. */
  reportUndo(snapshot: ReportedSnapshot): void {
    const { id } = snapshot;
    snapshot.trashedAtMs = undefined;
    snapshot.reportedAtMs = this.storage.timeline.nowMs;
    if (!this.stands(snapshot)) this.violate(`The removal of snapshot ${id} was undone, but its manifest does not stand.`);
    if (!snapshot.purged) return;
    snapshot.purged = false;
    this.need(snapshot, `when the removal of snapshot ${id} was undone`);
  }

  /** Whether a pack that exists holds it. */
  isStored(chunk: string): boolean {
    return this.homesOf(chunk).some(({ exists }) => exists);
  }

  /** Where nobody is at work and collections find nothing to do. */
  expectTidiness(): void {
    const { files } = this.storage;
    const unindexed = [...this.packs].filter(([, { exists, namedBy }]) => exists !== namedBy > 0).map(([hash]) => hash);
    const left = [...files.keys()].filter((name) => name.startsWith(COLLECTIONS_PREFIX) || name.startsWith(LEASES_PREFIX));
    if (left.length + unindexed.length > 0) this.violate(`This was never cleaned up: ${[...left, ...unindexed].join(', ')}.`);
  }

  /** What can be read and taken away. */
  standing(): ReportedSnapshot[] {
    return [...this.reported.values()].filter(({ trashedAtMs }) => trashedAtMs === undefined);
  }

  /** Whether a reading that began then may fail: its snapshot was purged, and a collection had condemned one of its packs before. */
  mayBeGone({ purged, chunks }: ReportedSnapshot, readSinceMs: number): boolean {
    if (!purged) return false;
    return chunks.some((chunk) => {
      const homes = this.homesOf(chunk);
      return homes.every(({ exists }) => !exists) && homes.some(({ condemnedAtMs = Infinity }) => condemnedAtMs <= readSinceMs);
    });
  }

  stored(name: string, bytes: Buffer, lease: string | undefined): void {
    if (name.startsWith(PACKS_PREFIX)) this.packStored(packHash(name), bytes);
    else if (name.startsWith(INDEX_PREFIX)) this.segmentStored(name, bytes);
    else if (name.startsWith(COLLECTIONS_PREFIX)) this.collectionStored(name, bytes);
    else if (name.startsWith(LEASES_PREFIX)) this.leases.stored(name);
    else if (isLogId(manifestIdOf(name))) this.logStored(name, bytes, lease);
    else if (name.startsWith(SNAPSHOTS_PREFIX)) this.manifestStored(manifestIdOf(name), lease);
  }

  removed(name: string, lease: string | undefined): void {
    if (name.startsWith(PACKS_PREFIX)) {
      const pack = this.packs.get(packHash(name))!;
      pack.exists = false;
      // Every listing showed its remover what had been condemned for so long.
      const seenMs = this.leases.began(lease) - this.terms.listLagMs;
      this.assertHomes(pack.chunks, `when ${name} was removed`, seenMs);
    } else if (name.startsWith(INDEX_PREFIX)) {
      for (const hash of this.segments.get(name) ?? []) {
        const pack = this.packs.get(hash);
        if (pack && --pack.namedBy === 0) this.assertHomes(pack.chunks, `when ${name} was removed`);
      }
      this.segments.delete(name);
    } else if (name.startsWith(COLLECTIONS_PREFIX)) this.collectionRemoved(name);
    else if (name.startsWith(LEASES_PREFIX)) this.leases.removed(name);
    else if (isLogId(manifestIdOf(name))) this.logRemoved(name);
    else if (name.startsWith(SNAPSHOTS_PREFIX) || name.startsWith(TRASH_PREFIX))
      this.manifestRemoved(this.reported.get(manifestIdOf(name)));
  }

  private stands({ id, piece }: ReportedSnapshot): boolean {
    if (piece !== undefined) return this.logs.stands(piece);
    return this.storage.files.has(standingName(id)) || this.storage.files.has(trashName(id));
  }

  private need({ chunks }: ReportedSnapshot, when: string): void {
    for (const chunk of chunks) this.needed.set(chunk, (this.needed.get(chunk) ?? 0) + 1);
    this.assertHomes(chunks, when);
  }

  private packStored(hash: string, file: Buffer): void {
    const known = this.packs.get(hash);
    if (known) {
      known.exists = true;
      return;
    }
    const chunks = this.chunksOf(hash, file);
    this.packs.set(hash, { chunks, exists: true, namedBy: 0, condemnedBy: new Map() });
    for (const chunk of chunks) this.homes.set(chunk, (this.homes.get(chunk) ?? new Set()).add(hash));
  }

  private segmentStored(name: string, file: Buffer): void {
    if (this.segments.has(name)) return;
    const packs = this.packsOf(name, file);
    this.segments.set(
      name,
      packs.map(({ hash }) => hash),
    );
    for (const { hash, chunks } of packs) {
      const pack = this.packs.get(hash);
      if (!pack) return this.violate(`${name} names pack ${hash} before it was stored.`);
      pack.namedBy++;
      const same = pack.chunks.length === chunks.length && pack.chunks.every((chunk, i) => chunks[i] === chunk);
      if (!same) this.violate(`${name} tells of chunks that pack ${hash} does not hold.`);
    }
  }

  private chunksOf(hash: string, file: Buffer): string[] {
    let chunks = OPENED_PACKS.get(file);
    if (!chunks) OPENED_PACKS.set(file, (chunks = idsIn(openPackDirectory(this.context as RepositoryContext, hash, file).table)));
    return chunks;
  }

  private packsOf(name: string, file: Buffer): { hash: string; chunks: string[] }[] {
    let packs = OPENED_SEGMENTS.get(file);
    if (!packs) {
      const segment = openIndexSegment(this.context as RepositoryContext, name, file);
      OPENED_SEGMENTS.set(file, (packs = segment.packs.map(({ hash, table }) => ({ hash, chunks: idsIn(table) }))));
    }
    return packs;
  }

  private collectionStored(name: string, file: Buffer): void {
    if (this.collections.has(name)) return;
    const { condemned } = openCollection(this.context as RepositoryContext, name, file);
    this.collections.set(name, condemned);
    for (const hash of condemned) {
      const pack = this.packs.get(hash)!;
      pack.condemnedAtMs ??= this.storage.timeline.nowMs;
      pack.condemnedBy.set(name, this.storage.timeline.nowMs);
    }
  }

  private collectionRemoved(name: string): void {
    for (const hash of this.collections.get(name) ?? []) this.packs.get(hash)!.condemnedBy.delete(name);
    this.collections.delete(name);
  }

  /** The commit point: whoever finds a manifest whose writer's lease stands may count on it. */
  private manifestStored(id: string, lease: string | undefined): void {
    const chunks = this.attempted.get(`${lease} ${id}`);
    if (!chunks || lease === undefined || !this.leases.isAlive(lease)) return;
    const missing = chunks.some((chunk) => !this.hasHome(chunk));
    if (missing) this.violate(`The manifest of snapshot ${id} was put within its lease, but what it needs was not stored or not indexed.`);
  }

  /** Whoever puts a log, a merged one too, answers for all that it names. */
  private logStored(name: string, bytes: Buffer, lease: string | undefined): void {
    const chunks = this.logs.stored(name, bytes);
    if (name.startsWith(TRASH_PREFIX) || lease === undefined || !this.leases.isAlive(lease)) return;
    if (chunks.some((chunk) => !this.hasHome(chunk)))
      this.violate(`${name} was put within its lease, but what it needs was not stored or not indexed.`);
  }

  private logRemoved(name: string): void {
    const gone = new Set(this.logs.removed(name));
    for (const log of this.reported.values()) if (log.piece !== undefined && gone.has(log.piece)) this.manifestRemoved(log);
  }

  private manifestRemoved(snapshot: ReportedSnapshot | undefined): void {
    if (!snapshot || snapshot.purged || this.stands(snapshot)) return;
    const { id, trashedAtMs } = snapshot;
    if (trashedAtMs === undefined || this.storage.timeline.nowMs - trashedAtMs < this.terms.undoPeriodMs)
      this.violate(`The manifest of snapshot ${id} is gone, although its removal could still be undone.`);
    snapshot.purged = true;
    for (const chunk of snapshot.chunks) {
      const uses = this.needed.get(chunk)! - 1;
      if (uses > 0) this.needed.set(chunk, uses);
      else this.needed.delete(chunk);
    }
  }

  private homesOf(chunk: string): KnownPack[] {
    return [...(this.homes.get(chunk) ?? [])].map((hash) => this.packs.get(hash)!);
  }

  /** In a pack that no collection condemned until then. */
  private hasHome(chunk: string, condemnedUntilMs = 0): boolean {
    return this.homesOf(chunk).some(
      ({ exists, namedBy, condemnedBy }) => exists && namedBy > 0 && condemnedBy.values().every((ms) => ms > condemnedUntilMs),
    );
  }

  private assertHomes(chunks: string[], when: string, condemnedUntilMs = 0): void {
    for (const chunk of chunks) {
      if (!this.needed.has(chunk) || this.hasHome(chunk, condemnedUntilMs)) continue;
      const owners = [...this.reported.values()].filter(({ purged, chunks }) => !purged && chunks.includes(chunk)).map(({ id }) => id);
      return this.violate(
        `A chunk of ${owners.join(', ')} had no home any more ${when}${condemnedUntilMs > 0 ? ', but in packs that are condemned' : ''}.`,
      );
    }
  }
}

function idsIn(table: PackTable): string[] {
  return Array.from(table.chunkLengths, (_, i) => chunkIdAt(table, i).toString('hex'));
}

/** What many schedules begin with is opened once. */
const OPENED_PACKS = new WeakMap<Buffer, string[]>();
const OPENED_SEGMENTS = new WeakMap<Buffer, { hash: string; chunks: string[] }[]>();
