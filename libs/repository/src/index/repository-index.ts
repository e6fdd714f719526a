import type { PackKind } from '../keys/pack-keys.js';
import { chunkIdAt } from '../packs/pack-table.js';
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
}

/** Union of all index segments in memory. */
export class RepositoryIndex {
  readonly packs: KnownPack[] = [];
  readonly chunks = new ChunkTable();
  /** How a reader gets around damage; checks have none, because they must report it. */
  healing?: IndexHealing;
  private readonly numbers = new Map<string, number>();

  /** Gives the pack's number; a pack that several segments name is taken once. */
  addPack({ hash, sizeBytes, kind, table }: IndexedPack): number {
    const known = this.numbers.get(hash);
    if (known !== undefined) return known;
    const { frameOffsets, storedLengths, plainLengths, chunkFrames, chunkOffsets, chunkLengths } = table;
    const pack = this.packs.push({ hash, sizeBytes, kind, frameOffsets, storedLengths, plainLengths }) - 1;
    this.numbers.set(hash, pack);
    for (let i = 0; i < chunkFrames.length; i++) {
      this.chunks.set(chunkIdAt(table, i), { pack, frame: chunkFrames[i]!, offset: chunkOffsets[i]!, length: chunkLengths[i]! });
    }
    return pack;
  }

  packNumber(hash: string): number | undefined {
    return this.numbers.get(hash);
  }
}
