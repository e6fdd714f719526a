import { tmpdir } from 'node:os';
import { RahatError } from '@rahat/contracts';
import { CHUNK_ID_BYTES, type PackTable } from '../packs/pack-table.js';
import { ChunkRows, FRAME_COLUMN, LENGTH_COLUMN, OFFSET_COLUMN, PACK_COLUMN, ROWS_PER_BLOCK, type ChunkRowsOptions } from './chunk-rows.js';
import { openSpillFile } from './sealed-blocks.js';

/** Where a chunk lies. */
export interface ChunkHome {
  pack: number;
  frame: number;
  offset: number;
  length: number;
}

/** Of a chunk whose frame is not in a pack yet. */
export const PENDING_PACK = 0xffff_fffe;

/** How far a pack's chunks count: `avoided` homes are given only where a chunk has no other, `barred` ones never. */
export type PackStanding = 'usable' | 'avoided' | 'barred';
const STANDINGS = { usable: 0, avoided: 1, barred: 2 } as const satisfies Record<PackStanding, number>;

/** A slot: number of the row's group, plus one, in the low bits, and some bits of the id above; 0 where it is empty. */
const GROUP_BITS = 22;
const GROUP_MASK = 2 ** GROUP_BITS - 1;
/** Rows that a look-up goes through. With these numbers the table can name 537 million chunks. */
const GROUP_ROWS = 128;
const MAX_LOAD = 0.8;
/** Load after growing, so that it doesn't grow again soon. */
const GROWN_LOAD = 0.65;
const MIN_SLOTS = 1024;
const DEFAULT_ROWS_MEMORY_BYTES = 32 * 1024 * 1024;

export interface ChunkTableOptions extends Partial<ChunkRowsOptions> {
  /** Slots and number of distinct chunks that go with the stored blocks. */
  storedSlots?: { slots: Uint32Array; distinct: number };
}

/**
 * Where every chunk lies, by its id (repository.md §9). In memory 5 to 7 bytes a chunk: open addressing over slots that name a
 * group of rows. The rows themselves pass through a bounded page cache. A slot is a hint alone: a chunk counts as known only
 * when all 32 bytes of its id stand in a row. Look-ups are synchronous and make no garbage.
 */
export class ChunkTable {
  private slots: Uint32Array;
  private distinct: number;
  private readonly rows: ChunkRows;
  private standings = new Uint8Array(0);
  private avoidedRow = -1;

  constructor(options: ChunkTableOptions = {}) {
    this.rows = new ChunkRows({
      memoryBytes: DEFAULT_ROWS_MEMORY_BYTES,
      openSpill: () => openSpillFile(tmpdir()),
      notice: () => undefined,
      ...options,
    });
    this.slots = options.storedSlots?.slots ?? new Uint32Array(MIN_SLOTS);
    this.distinct = options.storedSlots?.distinct ?? 0;
  }

  /** Distinct chunks. */
  get size(): number {
    return this.distinct;
  }

  /** Numbers that `find` gives are below this; for marks kept beside the table. */
  get capacity(): number {
    return this.rows.length;
  }

  /** Above 0 where a damaged cache file took rows away: a chunk that isn't found may be stored all the same. */
  get lostBlocks(): number {
    return this.rows.lostBlocks;
  }

  /** Memory of the slots, for measuring. */
  get slotBytes(): number {
    return this.slots.byteLength;
  }

  /** Number of the chunk's row, or -1. It stays the same as long as no pack's standing changes. */
  find(id: Buffer): number {
    return this.findAt(id, 0);
  }

  homeAt(row: number): ChunkHome {
    const words = this.rows.block(Math.floor(row / ROWS_PER_BLOCK));
    if (!words) throw new RahatError('unavailable', 'A part of the index in the local cache is damaged.');
    const at = row % ROWS_PER_BLOCK;
    return {
      pack: words[PACK_COLUMN + at]!,
      frame: words[FRAME_COLUMN + at]!,
      offset: words[OFFSET_COLUMN + at]!,
      length: words[LENGTH_COLUMN + at]!,
    };
  }

  get(id: Buffer): ChunkHome | undefined {
    const row = this.find(id);
    return row < 0 ? undefined : this.homeAt(row);
  }

  /** Overwrites a home that was known before. */
  set(id: Buffer, home: ChunkHome): void {
    const known = this.find(id);
    this.place(known >= 0 ? known : this.append(id, 0), home.pack, home.frame, home.offset, home.length);
  }

  /** Takes a pack's chunks in. A chunk that has a home already gets one more; a pending one gets its first. */
  addPack(pack: number, table: PackTable): void {
    const { chunkIds, chunkFrames, chunkOffsets, chunkLengths } = table;
    for (let i = 0; i < chunkFrames.length; i++) {
      const row = this.findAt(chunkIds, i * CHUNK_ID_BYTES);
      if (row >= 0 && this.packAt(row) === PENDING_PACK) {
        this.place(row, pack, chunkFrames[i]!, chunkOffsets[i]!, chunkLengths[i]!);
        continue;
      }
      if (row >= 0) this.distinct--;
      this.place(this.append(chunkIds, i * CHUNK_ID_BYTES), pack, chunkFrames[i]!, chunkOffsets[i]!, chunkLengths[i]!);
    }
  }

  /** Takes in what isn't known of a pack whose rows were lost with a damaged cache file. */
  restorePack(pack: number, table: PackTable): void {
    const { chunkIds, chunkFrames, chunkOffsets, chunkLengths } = table;
    for (let i = 0; i < chunkFrames.length; i++) {
      if (this.findAt(chunkIds, i * CHUNK_ID_BYTES) >= 0) continue;
      this.place(this.append(chunkIds, i * CHUNK_ID_BYTES), pack, chunkFrames[i]!, chunkOffsets[i]!, chunkLengths[i]!);
      this.distinct--;
    }
  }

  /** Copies the rows of those packs that have a number in `packNumbers`, under that number; the others have -1. */
  copyTo(copy: ChunkTable, packNumbers: Int32Array): void {
    const id = Buffer.alloc(CHUNK_ID_BYTES);
    for (let row = 0; row < this.rows.length; row++) {
      const words = this.rows.block(Math.floor(row / ROWS_PER_BLOCK));
      if (!words) continue;
      const at = row % ROWS_PER_BLOCK;
      const pack = packNumbers[words[PACK_COLUMN + at]!]!;
      if (pack < 0) continue;
      for (let i = 0; i < 8; i++) id.writeUInt32LE(words[i * ROWS_PER_BLOCK + at]!, i * 4);
      if (copy.find(id) >= 0) copy.distinct--;
      copy.place(copy.append(id, 0), pack, words[FRAME_COLUMN + at]!, words[OFFSET_COLUMN + at]!, words[LENGTH_COLUMN + at]!);
    }
  }

  setStanding(pack: number, standing: PackStanding): void {
    if (pack >= this.standings.length) {
      const standings = new Uint8Array(Math.max(pack + 1, this.standings.length * 2));
      standings.set(this.standings);
      this.standings = standings;
    }
    this.standings[pack] = STANDINGS[standing];
  }

  /** Makes room for this many rows at once, where their number is known beforehand. */
  reserve(rows: number): void {
    if (rows > this.slots.length * GROWN_LOAD) this.rehash(Math.ceil(rows / GROWN_LOAD));
  }

  /** For the cache file: slots, and blocks of rows one after the other. */
  get stored(): { rows: ChunkRows; slots: Uint32Array; distinct: number } {
    return { rows: this.rows, slots: this.slots, distinct: this.distinct };
  }

  /** Closes the local files. */
  close(): void {
    this.rows.close();
  }

  private findAt(ids: Buffer, offset: number): number {
    const { slots } = this;
    const first = ids.readUInt32LE(offset);
    const tag = tagOf(ids.readUInt32LE(offset + 4));
    this.avoidedRow = -1;
    for (let slot = slotOf(first, slots.length); ; slot = slot + 1 === slots.length ? 0 : slot + 1) {
      const word = slots[slot]!;
      if (word === 0) return this.avoidedRow;
      if (word >>> GROUP_BITS !== tag) continue;
      const row = this.search((word & GROUP_MASK) - 1, first, ids, offset);
      if (row >= 0) return row;
    }
  }

  /** A row of this group with the id, of a usable pack; -1 else. */
  private search(group: number, first: number, ids: Buffer, offset: number): number {
    const firstRow = group * GROUP_ROWS;
    const block = Math.floor(firstRow / ROWS_PER_BLOCK);
    const words = this.rows.block(block);
    if (words === undefined) return -1;
    const start = firstRow % ROWS_PER_BLOCK;
    const end = Math.min(start + GROUP_ROWS, this.rows.rowsIn(block));
    for (let at = start; at < end; at++) {
      if (words[at] !== first || !sameId(words, at, ids, offset)) continue;
      const pack = words[PACK_COLUMN + at]!;
      const standing = pack < this.standings.length ? this.standings[pack] : STANDINGS.usable;
      if (standing === STANDINGS.usable) return firstRow + at - start;
      if (standing === STANDINGS.avoided && this.avoidedRow < 0) this.avoidedRow = firstRow + at - start;
    }
    return -1;
  }

  private packAt(row: number): number {
    return this.rows.block(Math.floor(row / ROWS_PER_BLOCK))![PACK_COLUMN + (row % ROWS_PER_BLOCK)]!;
  }

  /** A new row that has an id and no home yet. */
  private append(ids: Buffer, offset: number): number {
    if (this.rows.length >= this.slots.length * MAX_LOAD) this.rehash(Math.ceil((this.rows.length + 1) / GROWN_LOAD));
    const row = this.rows.append();
    const group = Math.floor(row / GROUP_ROWS);
    if (group >= GROUP_MASK) throw new RahatError('repository_unsupported', 'The repository has more chunks than its index can name.');
    const words = this.rows.writableBlock(Math.floor(row / ROWS_PER_BLOCK));
    const at = row % ROWS_PER_BLOCK;
    for (let i = 0; i < 8; i++) words[i * ROWS_PER_BLOCK + at] = ids.readUInt32LE(offset + i * 4);
    insert(this.slots, words[at]!, words[ROWS_PER_BLOCK + at]!, row);
    this.distinct++;
    return row;
  }

  private place(row: number, pack: number, frame: number, offset: number, length: number): void {
    const words = this.rows.writableBlock(Math.floor(row / ROWS_PER_BLOCK));
    const at = row % ROWS_PER_BLOCK;
    words[PACK_COLUMN + at] = pack;
    words[FRAME_COLUMN + at] = frame;
    words[OFFSET_COLUMN + at] = offset;
    words[LENGTH_COLUMN + at] = length;
  }

  private rehash(slotCount: number): void {
    const slots = new Uint32Array(Math.max(slotCount, MIN_SLOTS));
    for (let block = 0; block < this.rows.blocks; block++) {
      const words = this.rows.block(block);
      if (!words) continue;
      const count = this.rows.rowsIn(block);
      for (let at = 0; at < count; at++) insert(slots, words[at]!, words[ROWS_PER_BLOCK + at]!, block * ROWS_PER_BLOCK + at);
    }
    this.slots = slots;
  }
}

function insert(slots: Uint32Array, first: number, second: number, row: number): void {
  let slot = slotOf(first, slots.length);
  while (slots[slot] !== 0) slot = slot + 1 === slots.length ? 0 : slot + 1;
  slots[slot] = tagOf(second) * 2 ** GROUP_BITS + Math.floor(row / GROUP_ROWS) + 1;
}

/** Ids are keyed hashes, so that their first bits spread evenly whatever the data. */
function slotOf(first: number, slots: number): number {
  return Math.floor((first / 2 ** 32) * slots);
}

function tagOf(second: number): number {
  return second >>> GROUP_BITS;
}

function sameId(words: Uint32Array, at: number, ids: Buffer, offset: number): boolean {
  for (let i = 1; i < 8; i++) {
    if (words[i * ROWS_PER_BLOCK + at] !== ids.readUInt32LE(offset + i * 4)) return false;
  }
  return true;
}
