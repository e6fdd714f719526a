import { RahatError } from '@rahat/contracts';
import { BLOCK_TAG_BYTES, type SealedBlocks } from './sealed-blocks.js';

/** Columns of a block, each of `ROWS_PER_BLOCK` words: the chunk's id in the first eight, then where it lies. */
export const ROWS_PER_BLOCK = 512;
export const PACK_COLUMN = 8 * ROWS_PER_BLOCK;
export const FRAME_COLUMN = 9 * ROWS_PER_BLOCK;
export const OFFSET_COLUMN = 10 * ROWS_PER_BLOCK;
export const LENGTH_COLUMN = 11 * ROWS_PER_BLOCK;
const BLOCK_WORDS = 12 * ROWS_PER_BLOCK;
export const BLOCK_BYTES = BLOCK_WORDS * 4;
export const SEALED_BLOCK_BYTES = BLOCK_BYTES + BLOCK_TAG_BYTES;

/** Blocks that stand in a cache file. */
export interface StoredBlocks {
  /** false where the file was damaged since. */
  read(block: number, into: Uint8Array): boolean;
  close(): void;
}

export interface ChunkRowsOptions {
  /** Memory for blocks; what is beyond goes to a spill file. */
  memoryBytes: number;
  /** Opened when it is needed first; where it can't be, everything stays in memory. */
  openSpill: () => SealedBlocks;
  /** Says what went wrong with a local file while the work goes on without it. */
  notice: (message: string) => void;
  /** Blocks to begin with, and the number of rows in them. */
  stored?: { blocks: StoredBlocks; rows: number };
}

const REFERENCED = 1;
const DIRTY = 2;
const LOST = 4;
const NOT_SPILLED = -1;

/**
 * All rows of the index in the order of their packs, so that chunks that were stored together are read together
 * (repository.md §9). Blocks of rows in a bounded page cache; changed ones go to a spill file when room is needed.
 */
export class ChunkRows {
  private readonly resident: (Uint32Array | undefined)[] = [];
  private marks = new Uint8Array(1024);
  private readonly spillPlaces: number[] = [];
  private readonly spillNumbers: number[] = [];
  private spill: SealedBlocks | undefined;
  private spilledBlocks = 0;
  private writes = 0;
  private spare: Uint32Array | undefined;
  private residents = 0;
  private maxResidents: number;
  private hand = 0;
  private closed = false;
  private count = 0;
  /** Blocks of the cache file that turned out damaged: their chunks are as if they were not indexed. */
  lostBlocks = 0;

  constructor(private readonly options: ChunkRowsOptions) {
    // At least the block that is being filled, the one that is looked at, and one to make room with.
    this.maxResidents = Math.max(3, Math.floor(options.memoryBytes / BLOCK_BYTES));
    this.count = options.stored?.rows ?? 0;
    for (let block = 0; block < this.blocks; block++) this.addBlock();
  }

  get length(): number {
    return this.count;
  }

  get blocks(): number {
    return Math.ceil(this.count / ROWS_PER_BLOCK);
  }

  /** The last block may not be full. */
  rowsIn(block: number): number {
    return Math.min(ROWS_PER_BLOCK, this.count - block * ROWS_PER_BLOCK);
  }

  /** Good until the next call of this class; undefined where the block is lost. */
  block(block: number): Uint32Array | undefined {
    const resident = this.resident[block];
    if (resident === undefined) return this.load(block);
    this.marks[block]! |= REFERENCED;
    return resident;
  }

  /** The same, to be changed. */
  writableBlock(block: number): Uint32Array {
    const words = this.block(block) ?? this.revive(block);
    this.marks[block]! |= DIRTY;
    return words;
  }

  /** Makes room for one row at the end and gives its number; the caller fills it in. */
  append(): number {
    const row = this.count;
    if (row % ROWS_PER_BLOCK === 0) {
      this.addBlock();
      this.keep(row / ROWS_PER_BLOCK, this.freeBlock().fill(0), DIRTY);
    }
    this.count++;
    return row;
  }

  close(): void {
    this.spill?.close();
    this.spill = undefined;
    if (!this.closed) this.options.stored?.blocks.close();
    this.closed = true;
  }

  private load(block: number): Uint32Array | undefined {
    if (this.marks[block]! & LOST) return undefined;
    const words = this.freeBlock();
    const bytes = bytesOf(words);
    const place = this.spillPlaces[block]!;
    if (place !== NOT_SPILLED) {
      if (!this.spill?.read(place * SEALED_BLOCK_BYTES, this.spillNumbers[block]!, bytes)) throw spillDamaged();
    } else if (this.closed || !this.options.stored?.blocks.read(block, bytes)) {
      this.spare = words;
      this.lose(block);
      return undefined;
    }
    this.keep(block, words);
    return words;
  }

  private lose(block: number): void {
    this.marks[block]! |= LOST;
    if (this.lostBlocks++ > 0) return;
    this.options.notice('The local cache of the index is damaged; what it held is looked up in the repository again.');
  }

  /** An empty block in the place of a lost one: its rows stay unknown, new ones find room. */
  private revive(block: number): Uint32Array {
    const words = this.freeBlock().fill(0);
    this.keep(block, words, DIRTY);
    return words;
  }

  private addBlock(): void {
    const block = this.resident.push(undefined) - 1;
    this.spillPlaces.push(NOT_SPILLED);
    this.spillNumbers.push(0);
    if (block < this.marks.length) return;
    const marks = new Uint8Array(this.marks.length * 2);
    marks.set(this.marks);
    this.marks = marks;
  }

  private keep(block: number, words: Uint32Array, mark = 0): void {
    this.resident[block] = words;
    this.marks[block] = REFERENCED | mark;
    this.residents++;
  }

  /** Memory for one block more, of content that means nothing. */
  private freeBlock(): Uint32Array {
    const { spare } = this;
    this.spare = undefined;
    if (spare) return spare;
    return (this.residents < this.maxResidents ? undefined : this.evict()) ?? new Uint32Array(BLOCK_WORDS);
  }

  /** Second chance: whoever was asked for since the hand came by stays; so does the block that is being filled. */
  private evict(): Uint32Array | undefined {
    const last = this.resident.length - 1;
    for (;;) {
      const block = this.hand;
      this.hand = block >= last ? 0 : block + 1;
      const words = this.resident[block];
      if (words === undefined || block >= last - 1) continue;
      if (this.marks[block]! & REFERENCED) {
        this.marks[block]! &= ~REFERENCED;
        continue;
      }
      if (this.marks[block]! & DIRTY && !this.writeOut(block, words)) return undefined;
      this.resident[block] = undefined;
      this.marks[block] = 0;
      this.residents--;
      return words;
    }
  }

  private writeOut(block: number, words: Uint32Array): boolean {
    const place = this.spillPlaces[block] === NOT_SPILLED ? this.spilledBlocks : this.spillPlaces[block]!;
    const number = this.writes++;
    try {
      this.spill ??= this.options.openSpill();
      this.spill.write(place * SEALED_BLOCK_BYTES, number, bytesOf(words));
    } catch (error) {
      // What was spilled before stays readable; from here on everything stays in memory.
      this.maxResidents = Number.MAX_SAFE_INTEGER;
      const why = error instanceof Error ? error.message : String(error);
      this.options.notice(`No room for the index on the local disk (${why}); it stays in memory, which takes more of it.`);
      return false;
    }
    if (place === this.spilledBlocks) this.spilledBlocks++;
    this.spillPlaces[block] = place;
    this.spillNumbers[block] = number;
    return true;
  }
}

function bytesOf(words: Uint32Array): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
}

function spillDamaged(): RahatError {
  return new RahatError('unavailable', 'A temporary file of the index cannot be read back from the local disk.', {
    hint: 'Check the disk of the temporary folder; the repository is not affected.',
  });
}
