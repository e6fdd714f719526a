import { RowSpill, type ScratchSpace, type Side, type SpilledRow } from './row-spill.js';

/** What a row in memory costs besides its text. */
const ROW_OVERHEAD_BYTES = 100;
const PARTITIONS = 64;
/** Splitting again doesn't help rows that are all the same. */
const MOST_LEVELS = 4;

/** Hears what remains when equal rows are taken away from both sides. */
export interface DifferenceSink {
  inserted(row: string, count: number): void;
  deleted(row: string, count: number): void;
  changed(older: string, newer: string): void;
  /** Asked for after some calls; here it may wait. */
  drain(): Promise<void> | undefined;
}

/** Gives what tells a row from all others of its table; absent where only the whole row does. */
export type RowKey = ((row: string) => string) | undefined;

export interface UnmatchedOptions {
  key: RowKey;
  sink: DifferenceSink;
  space: ScratchSpace;
  memoryBytes: number;
}

type RowCounts = Map<string, number>;

/**
 * Rows of which no equal one has come on the other side yet. When they are too many for the memory, they go to disk by the hash
 * of their key, where those that belong together meet.
 */
export class UnmatchedRows implements AsyncDisposable {
  readonly #rows: Record<Side, RowCounts> = { older: new Map(), newer: new Map() };
  #bytes = 0;
  #spills: RowSpill[] = [];

  constructor(
    private readonly options: UnmatchedOptions,
    private readonly level = 0,
  ) {}

  /** Takes an equal row of that side away, if there is one. */
  take(side: Side, row: string): boolean {
    const rows = this.#rows[side];
    const count = rows.get(row);
    if (count === undefined) return false;
    if (count === 1) {
      rows.delete(row);
      this.#bytes -= row.length + ROW_OVERHEAD_BYTES;
    } else rows.set(row, count - 1);
    return true;
  }

  add(side: Side, row: string, count = 1): void {
    const rows = this.#rows[side];
    const known = rows.get(row);
    rows.set(row, (known ?? 0) + count);
    if (known === undefined) this.#bytes += row.length + ROW_OVERHEAD_BYTES;
  }

  get isTooLarge(): boolean {
    return this.#bytes > this.options.memoryBytes && this.level < MOST_LEVELS;
  }

  async spill(): Promise<void> {
    if (this.#spills.length === 0) this.#spills = Array.from({ length: PARTITIONS }, () => new RowSpill(this.options.space));
    for (const side of ['older', 'newer'] as const) {
      for (const [row, count] of this.#rows[side]) {
        const spill = this.#spills[this.#partitionOf(row)]!;
        spill.add({ side, row, count });
        if (spill.full) await spill.flush();
      }
      this.#rows[side].clear();
    }
    for (const spill of this.#spills) await spill.flush();
    this.#bytes = 0;
  }

  /** All rows have come: tells the differences. */
  async finish(): Promise<void> {
    if (this.#spills.length === 0) {
      tellDifferences(this.#rows, this.options);
      await this.options.sink.drain();
      return;
    }
    await this.spill();
    for (const spill of this.#spills) {
      await using part = new UnmatchedRows(this.options, this.level + 1);
      for await (const row of spill.rows()) {
        part.#meet(row);
        if (part.isTooLarge) await part.spill();
      }
      await spill[Symbol.asyncDispose]();
      await part.finish();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const spill of this.#spills) await spill[Symbol.asyncDispose]();
  }

  #meet({ side, row, count }: SpilledRow): void {
    const other = side === 'older' ? 'newer' : 'older';
    let left = count;
    while (left > 0 && this.take(other, row)) left--;
    if (left > 0) this.add(side, row, left);
  }

  /** FNV-1a, with another beginning on each level, so that a part is split again and not as a whole. */
  #partitionOf(row: string): number {
    const text = this.options.key?.(row) ?? row;
    let hash = 0x811c9dc5 ^ Math.imul(this.level + 1, 0x9e3779b1);
    for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
    hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b);
    return ((hash ^ (hash >>> 13)) >>> 0) % PARTITIONS;
  }
}

function tellDifferences({ older, newer }: Record<Side, RowCounts>, { key, sink }: UnmatchedOptions): void {
  if (key) {
    const byKey = new Map<string, string>();
    for (const row of older.keys()) byKey.set(key(row), row);
    for (const row of newer.keys()) {
      const former = byKey.get(key(row));
      if (former === undefined || !older.has(former)) continue;
      sink.changed(former, row);
      older.delete(former);
      newer.delete(row);
    }
  }
  for (const [row, count] of older) sink.deleted(row, count);
  for (const [row, count] of newer) sink.inserted(row, count);
}
