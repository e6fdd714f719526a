import type { ChangedRow, RowSample, TableDifference } from '@rahat/connector-kit';
import type { RowLayout } from './row-layout.js';

/** Longer values are cut in samples; the SQL that undoes the difference has them whole. */
const MOST_CHARACTERS = 500;

type Told = Pick<TableDifference, 'inserted' | 'deleted' | 'changed' | 'samples'>;

/** Counts the differences of a table and keeps the first ones of each kind for people to look at. */
export class RowSamples {
  readonly told: Told = { inserted: 0, deleted: 0, changed: 0, samples: { inserted: [], deleted: [], changed: [] } };

  constructor(
    private readonly layout: RowLayout,
    private readonly most: number,
    private readonly readable: (text: string) => string,
  ) {}

  inserted(row: string, count: number): void {
    this.told.inserted += count;
    this.#keep('inserted', row);
  }

  deleted(row: string, count: number): void {
    this.told.deleted += count;
    this.#keep('deleted', row);
  }

  changed(older: string, newer: string): void {
    this.told.changed++;
    if (this.told.samples.changed.length >= this.most) return;
    const [before, after] = [this.layout.values(older), this.layout.values(newer)];
    const columns: ChangedRow['columns'] = {};
    for (const [at, column] of this.layout.columns.entries()) {
      if (before[at] === after[at]) continue;
      columns[this.readable(column)] = { older: this.#show(before[at]), newer: this.#show(after[at]) };
    }
    this.told.samples.changed.push({ key: this.#sample(this.layout.key, before), columns });
  }

  #keep(kind: 'inserted' | 'deleted', row: string): void {
    if (this.told.samples[kind].length >= this.most) return;
    this.told.samples[kind].push(this.#sample(this.layout.columns, this.layout.values(row)));
  }

  #sample(columns: readonly string[], values: readonly (string | null)[]): RowSample {
    return Object.fromEntries(columns.map((column) => [this.readable(column), this.#show(values[this.layout.columns.indexOf(column)])]));
  }

  #show(value: string | null | undefined): string | null {
    if (value === null || value === undefined) return null;
    const text = this.readable(value);
    return text.length > MOST_CHARACTERS ? `${text.slice(0, MOST_CHARACTERS)}…` : text;
  }
}
