import { InsertWriter } from '../decode/export-sql.js';
import { quoteBinaryLiteral, quoteBinaryName } from '../decode/sql-text.js';
import type { TableShape } from '../decode/table-shape.js';
import type { RowLayout } from './row-layout.js';
import { UndoSpool } from './undo-spool.js';

const KEYS_PER_DELETE = 500;

/** What the undo does to a table, as far as foreign keys mind. */
export interface UndoneTable {
  sqlName: string;
  key: string[];
  spool: UndoSpool;
  removes: boolean;
  inserts: boolean;
  updated: ReadonlySet<string>;
  /** Rows are taken away and put in again, under the same key. */
  rewrites: boolean;
}

/** Writes SQL that makes the newer rows of a table into the older ones. Any client can run it. */
export class UndoRows {
  readonly #inserts: InsertWriter;
  readonly #updated = new Set<string>();
  readonly #removedKeys: string[] = [];
  #removes = false;
  #adds = false;
  #rewrites = false;

  constructor(
    private readonly table: string,
    private readonly older: TableShape,
    private readonly newer: TableShape,
    private readonly layout: RowLayout,
    private readonly spool: UndoSpool,
    private readonly mayCollide: (columns: readonly string[]) => boolean,
  ) {
    this.#inserts = new InsertWriter(table, older.columns);
  }

  inserted(row: string, count: number): void {
    this.#removes = true;
    this.#remove(this.layout.values(row), count);
  }

  deleted(row: string, count: number): void {
    this.#adds = true;
    for (let n = 0; n < count; n++) this.#insert(this.layout.values(row));
  }

  changed(olderRow: string, newerRow: string): void {
    const [before, after] = [this.layout.values(olderRow), this.layout.values(newerRow)];
    // A column that only the newer table has goes away with its values.
    const places = this.older.columns.map((column) => this.layout.columns.indexOf(column)).filter((at) => before[at] !== after[at]);
    const columns = places.map((at) => this.layout.columns[at]!);
    if (columns.length === 0) return;
    if (this.mayCollide(columns)) {
      this.#rewrites = true;
      this.#remove(after, 1);
      this.#insert(before);
      return;
    }
    for (const column of columns) this.#updated.add(column);
    const set = places.map((at) => `${quoteBinaryName(this.layout.columns[at]!)} = ${quoteBinaryLiteral(before[at]!)}`);
    this.spool.add('update', `UPDATE ONLY ${this.table} SET ${set.join(', ')} WHERE ${this.#whereKey(after)};\n`);
  }

  async finish(): Promise<UndoneTable> {
    this.#flushRemoved();
    this.spool.add('insert', this.#inserts.finish());
    await this.spool.close();
    return {
      sqlName: this.table,
      key: this.layout.key,
      spool: this.spool,
      removes: this.#removes,
      inserts: this.#adds,
      updated: this.#updated,
      rewrites: this.#rewrites,
    };
  }

  #insert(values: readonly (string | null)[]): void {
    this.spool.add('insert', this.#inserts.add(this.older.columns.map((column) => values[this.layout.columns.indexOf(column)] ?? null)));
  }

  #remove(values: readonly (string | null)[], count: number): void {
    if (this.layout.key.length === 0) {
      this.spool.add('delete', this.#removeByRow(values, count));
      return;
    }
    const key = this.#keyValues(values).map(quoteBinaryLiteral).join(', ');
    this.#removedKeys.push(this.layout.key.length === 1 ? key : `(${key})`);
    if (this.#removedKeys.length >= KEYS_PER_DELETE) this.#flushRemoved();
  }

  #flushRemoved(): void {
    if (this.#removedKeys.length === 0) return;
    const names = this.layout.key.map(quoteBinaryName).join(', ');
    const columns = this.layout.key.length === 1 ? names : `(${names})`;
    this.spool.add('delete', `DELETE FROM ONLY ${this.table} WHERE ${columns} IN (${this.#removedKeys.splice(0).join(', ')});\n`);
  }

  /**
   * Without a key one of several equal rows is as good as another. Values are compared by their texts, which all types have. Columns
   * that only the newer table has are gone by then.
   */
  #removeByRow(values: readonly (string | null)[], count: number): string {
    const common = this.newer.columns.filter((column) => this.older.columns.includes(column));
    const conditions = common.map((column) => {
      const value = values[this.layout.columns.indexOf(column)] ?? null;
      const name = quoteBinaryName(column);
      return value === null
        ? `${name} IS NULL`
        : `(${name} IS NOT NULL AND pg_catalog.format('%s', ${name}) = ${quoteBinaryLiteral(value)})`;
    });
    const where = conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`;
    return `DELETE FROM ONLY ${this.table} WHERE ctid = ANY (ARRAY(SELECT ctid FROM ONLY ${this.table}${where} LIMIT ${count}));\n`;
  }

  #whereKey(values: readonly (string | null)[]): string {
    const keys = this.#keyValues(values);
    return this.layout.key.map((column, at) => `${quoteBinaryName(column)} = ${quoteBinaryLiteral(keys[at]!)}`).join(' AND ');
  }

  #keyValues(values: readonly (string | null)[]): (string | null)[] {
    return this.layout.key.map((column) => values[this.layout.columns.indexOf(column)] ?? null);
  }
}
