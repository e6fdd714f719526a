/** Where a chunk lies. */
export interface ChunkHome {
  pack: number;
  frame: number;
  offset: number;
  length: number;
}

/** Of a chunk whose frame is not in a pack yet. */
export const PENDING_PACK = 0xffff_fffe;
const EMPTY = 0xffff_ffff;

const WORDS = 8;
const PACK = 4;
const MAX_LOAD = 0.7;

/**
 * Flat open-addressing table (repository.md §9): 32 bytes a slot, of them 16 of the chunk's id. Ids are keyed hashes, so that
 * 128 bits can't be made to collide by whoever chooses the data without the identity secret.
 */
export class ChunkTable {
  private words: Uint32Array;
  private slots: number;
  private used = 0;

  constructor(expected = 0) {
    this.slots = 1024;
    while (this.slots * MAX_LOAD < expected) this.slots *= 2;
    this.words = emptyWords(this.slots);
  }

  get size(): number {
    return this.used;
  }

  /** Number of the chunk's slot, or -1. Valid until the next new chunk is set. */
  find(id: Buffer): number {
    const slot = this.slotOf(id);
    return this.words[slot * WORDS + PACK] === EMPTY ? -1 : slot;
  }

  homeAt(slot: number): ChunkHome {
    const at = slot * WORDS + PACK;
    return { pack: this.words[at]!, frame: this.words[at + 1]!, offset: this.words[at + 2]!, length: this.words[at + 3]! };
  }

  get(id: Buffer): ChunkHome | undefined {
    const slot = this.find(id);
    return slot < 0 ? undefined : this.homeAt(slot);
  }

  /** Overwrites a home that was known before. */
  set(id: Buffer, home: ChunkHome): void {
    let slot = this.slotOf(id);
    if (this.words[slot * WORDS + PACK] === EMPTY) {
      if (this.used + 1 > this.slots * MAX_LOAD) {
        this.grow();
        slot = this.slotOf(id);
      }
      this.used++;
      for (let i = 0; i < 4; i++) this.words[slot * WORDS + i] = id.readUInt32LE(i * 4);
    }
    const at = slot * WORDS + PACK;
    this.words[at] = home.pack;
    this.words[at + 1] = home.frame;
    this.words[at + 2] = home.offset;
    this.words[at + 3] = home.length;
  }

  /** Slots in use are below this; for marks kept beside the table. */
  get capacity(): number {
    return this.slots;
  }

  private slotOf(id: Buffer): number {
    const a = id.readUInt32LE(0);
    const b = id.readUInt32LE(4);
    const c = id.readUInt32LE(8);
    const d = id.readUInt32LE(12);
    const { words } = this;
    const mask = this.slots - 1;
    for (let slot = a & mask; ; slot = (slot + 1) & mask) {
      const at = slot * WORDS;
      if (words[at + PACK] === EMPTY) return slot;
      if (words[at] === a && words[at + 1] === b && words[at + 2] === c && words[at + 3] === d) return slot;
    }
  }

  private grow(): void {
    const old = this.words;
    this.slots *= 2;
    this.words = emptyWords(this.slots);
    const mask = this.slots - 1;
    for (let at = 0; at < old.length; at += WORDS) {
      if (old[at + PACK] === EMPTY) continue;
      let slot = old[at]! & mask;
      while (this.words[slot * WORDS + PACK] !== EMPTY) slot = (slot + 1) & mask;
      this.words.set(old.subarray(at, at + WORDS), slot * WORDS);
    }
  }
}

function emptyWords(slots: number): Uint32Array {
  const words = new Uint32Array(slots * WORDS);
  for (let at = PACK; at < words.length; at += WORDS) words[at] = EMPTY;
  return words;
}
