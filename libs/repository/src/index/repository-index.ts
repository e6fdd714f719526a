import type { PackKind } from '../keys/pack-keys.js';
import { ChunkTable } from './chunk-table.js';
import type { IndexedPack } from './index-segment.js';

export interface KnownPack {
  hash: string;
  sizeBytes: number;
  kind: PackKind;
  frameOffsets: Uint32Array;
  storedLengths: Uint32Array;
  plainLengths: Uint32Array;
}

export interface IndexHealing {
  /** Adds the packs that no readable segment names, from their footers. */
  adoptUnindexed(): Promise<void>;
  /** Gives the chunks of a damaged or missing pack another home where they have one. */
  avoidPack(pack: number): Promise<void>;
  /** Where the local cache turned out damaged, takes what it held from the repository's segments again. */
  restoreLostRows(): Promise<void>;
}

/** Union of all index segments. `close` it when it isn't needed any more: it may hold local files. */
export class RepositoryIndex implements Disposable {
  readonly packs: KnownPack[];
  /** How a reader gets around damage; checks have none, because they must report it. */
  healing?: IndexHealing;
  private readonly numbers = new Map<string, number>();

  constructor(
    readonly chunks = new ChunkTable(),
    packs: KnownPack[] = [],
  ) {
    this.packs = packs;
    packs.forEach(({ hash }, pack) => this.numbers.set(hash, pack));
  }

  /** Gives the pack's number; a pack that several segments name is taken once. A chunk's first home stays the one that is given. */
  addPack({ hash, sizeBytes, kind, table }: IndexedPack): number {
    const known = this.numbers.get(hash);
    if (known !== undefined) return known;
    const { frameOffsets, storedLengths, plainLengths } = table;
    const pack = this.packs.push({ hash, sizeBytes, kind, frameOffsets, storedLengths, plainLengths }) - 1;
    this.numbers.set(hash, pack);
    this.chunks.addPack(pack, table);
    return pack;
  }

  /** Takes a known pack's lost rows in again. */
  restorePack(pack: IndexedPack): void {
    const known = this.numbers.get(pack.hash);
    if (known !== undefined) this.chunks.restorePack(known, pack.table);
  }

  packNumber(hash: string): number | undefined {
    return this.numbers.get(hash);
  }

  /** What lies in this pack alone is unknown from now on, so that a writer stores it again. */
  barPack(pack: number): void {
    this.chunks.setStanding(pack, 'barred');
  }

  /** Chunks that lie in another pack too are looked for there from now on. */
  avoidPack(pack: number): void {
    this.chunks.setStanding(pack, 'avoided');
  }

  close(): void {
    this.chunks.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
