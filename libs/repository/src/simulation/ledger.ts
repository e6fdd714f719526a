import type { RepositoryContext } from '../context.js';
import { openIndexSegment } from '../index/segment-files.js';
import { INDEX_PREFIX, packHash, PACKS_PREFIX, snapshotName, SNAPSHOTS_PREFIX, TRASH_PREFIX, trashName } from '../layout.js';
import { openPackDirectory } from '../packs/pack-reader.js';
import { chunkIdAt } from '../packs/pack-table.js';
import type { SimulatedStorage, StoreObserver } from './simulated-store.js';

/** A backup whose writer was told that it succeeded. */
export interface ReportedSnapshot {
  id: string;
  /** What its object must give. */
  content: Buffer;
  /** Hex ids of all chunks that it needs, those of its stored recipe too. */
  chunks: string[];
  /** Set when its removal began; until the undo period is over it must be there all the same. */
  trashedAtMs?: number;
  purged: boolean;
  reportedAtMs: number;
}

interface KnownPack {
  chunks: string[];
  exists: boolean;
  /** Segments that name it. */
  namedBy: number;
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
  storage!: SimulatedStorage;

  constructor(
    private readonly context: Pick<RepositoryContext, 'keys' | 'repositoryId'>,
    private readonly undoPeriodMs: number,
  ) {}

  violate(message: string): void {
    this.violation ??= message;
  }

  /** The moment of the promise. */
  report(snapshot: ReportedSnapshot): void {
    const file = this.storage.files.get(snapshotName(snapshot.id)) ?? this.storage.files.get(trashName(snapshot.id));
    if (!file) this.violate(`Snapshot ${snapshot.id} was reported, but its manifest does not stand.`);
    this.reported.set(snapshot.id, snapshot);
    for (const chunk of snapshot.chunks) this.needed.set(chunk, (this.needed.get(chunk) ?? 0) + 1);
    this.assertHomes(snapshot.chunks, `when snapshot ${snapshot.id} was reported`);
  }

  stored(name: string, bytes: Buffer): void {
    if (name.startsWith(PACKS_PREFIX)) this.packStored(packHash(name), bytes);
    else if (name.startsWith(INDEX_PREFIX)) this.segmentStored(name, bytes);
  }

  removed(name: string): void {
    if (name.startsWith(PACKS_PREFIX)) {
      const pack = this.packs.get(packHash(name))!;
      pack.exists = false;
      this.assertHomes(pack.chunks, `when ${name} was removed`);
    } else if (name.startsWith(INDEX_PREFIX)) {
      for (const hash of this.segments.get(name) ?? []) {
        const pack = this.packs.get(hash);
        if (pack && --pack.namedBy === 0) this.assertHomes(pack.chunks, `when ${name} was removed`);
      }
      this.segments.delete(name);
    } else if (name.startsWith(SNAPSHOTS_PREFIX)) this.manifestRemoved(name.slice(SNAPSHOTS_PREFIX.length));
    else if (name.startsWith(TRASH_PREFIX)) this.manifestRemoved(name.slice(TRASH_PREFIX.length));
  }

  /** Packs that exist although no reported snapshot needs them. */
  get garbage(): number {
    return [...this.packs.values()].filter(({ exists, chunks }) => exists && !chunks.some((chunk) => this.needed.has(chunk))).length;
  }

  private packStored(hash: string, file: Buffer): void {
    const known = this.packs.get(hash);
    if (known) {
      known.exists = true;
      return;
    }
    const { table } = openPackDirectory(this.context as RepositoryContext, hash, file);
    const chunks = Array.from(table.chunkLengths, (_, i) => chunkIdAt(table, i).toString('hex'));
    this.packs.set(hash, { chunks, exists: true, namedBy: 0 });
    for (const chunk of chunks) this.homes.set(chunk, (this.homes.get(chunk) ?? new Set()).add(hash));
  }

  private segmentStored(name: string, file: Buffer): void {
    const { packs } = openIndexSegment(this.context as RepositoryContext, name, file);
    if (this.segments.has(name)) return;
    this.segments.set(
      name,
      packs.map(({ hash }) => hash),
    );
    for (const { hash, table } of packs) {
      const pack = this.packs.get(hash);
      if (!pack) return this.violate(`${name} names pack ${hash} before it was stored.`);
      pack.namedBy++;
      const same =
        pack.chunks.length === table.chunkLengths.length && pack.chunks.every((chunk, i) => chunkIdAt(table, i).toString('hex') === chunk);
      if (!same) this.violate(`${name} tells of chunks that pack ${hash} does not hold.`);
    }
  }

  private manifestRemoved(id: string): void {
    const snapshot = this.reported.get(id);
    if (!snapshot || this.storage.files.has(snapshotName(id)) || this.storage.files.has(trashName(id))) return;
    const { trashedAtMs } = snapshot;
    if (trashedAtMs === undefined || this.storage.timeline.nowMs - trashedAtMs < this.undoPeriodMs)
      this.violate(`The manifest of snapshot ${id} is gone, although its removal could still be undone.`);
    snapshot.purged = true;
    for (const chunk of snapshot.chunks) {
      const uses = this.needed.get(chunk)! - 1;
      if (uses > 0) this.needed.set(chunk, uses);
      else this.needed.delete(chunk);
    }
  }

  private assertHomes(chunks: string[], when: string): void {
    for (const chunk of chunks) {
      if (!this.needed.has(chunk)) continue;
      const homes = [...(this.homes.get(chunk) ?? [])].map((hash) => this.packs.get(hash)!);
      if (homes.some(({ exists, namedBy }) => exists && namedBy > 0)) continue;
      const owners = [...this.reported.values()].filter(({ purged, chunks }) => !purged && chunks.includes(chunk)).map(({ id }) => id);
      return this.violate(`A chunk of ${owners.join(', ')} had no home any more ${when}.`);
    }
  }
}
