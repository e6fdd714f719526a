import { copyValue } from '../decode/copy-values.js';
import type { TableShape } from '../decode/table-shape.js';
import type { RowKey } from './unmatched-rows.js';

/** How the rows of both sides stand beside each other: all columns of the older table, then those that only the newer one has. */
export interface RowLayout {
  columns: string[];
  /** Columns of the primary key that both have; empty where the whole row is the key. */
  key: string[];
  keyOf: RowKey;
  /** Rows of that side are to be rewritten into the layout. */
  rewrite: { older?: (row: string) => string; newer?: (row: string) => string };
  values(row: string): (string | null)[];
}

const NULL_FIELD = '\\N';

/** A column that one side doesn't have counts as NULL there. */
export function layoutOf(older: TableShape, newer: TableShape): RowLayout {
  const columns = [...older.columns, ...newer.columns.filter((column) => !older.columns.includes(column))];
  const sameKey = older.key.length > 0 && older.key.join('\0') === newer.key.join('\0');
  const key = sameKey ? older.key : [];
  return {
    columns,
    key,
    keyOf: keyReader(key.map((column) => columns.indexOf(column))),
    rewrite: { ...rewriteInto(columns, older, 'older'), ...rewriteInto(columns, newer, 'newer') },
    values: (row) => (columns.length === 0 ? [] : row.split('\t').map(copyValue)),
  };
}

function rewriteInto(columns: string[], shape: TableShape, side: 'older' | 'newer'): { older?: (row: string) => string } {
  if (columns.join('\0') === shape.columns.join('\0')) return {};
  const places = columns.map((column) => shape.columns.indexOf(column));
  const rewrite = (row: string): string => {
    const fields = row.split('\t');
    return places.map((place) => (place < 0 ? NULL_FIELD : fields[place])).join('\t');
  };
  return { [side]: rewrite };
}

function keyReader(places: number[]): RowKey {
  const [first] = places;
  if (first === undefined) return undefined;
  if (places.length === 1 && first === 0) {
    return (row) => {
      const end = row.indexOf('\t');
      return end < 0 ? row : row.slice(0, end);
    };
  }
  return (row) => {
    const fields = row.split('\t');
    return places.map((place) => fields[place]).join('\t');
  };
}

/** Rows anew, as pieces of COPY text. */
export async function* rewritten(pieces: AsyncIterable<Buffer>, rewrite: (row: string) => string): AsyncGenerator<Buffer> {
  let open = '';
  for await (const piece of pieces) {
    const lines = (open + piece.toString('latin1')).split('\n');
    open = lines.pop()!;
    if (lines.length > 0) yield Buffer.from(`${lines.map(rewrite).join('\n')}\n`, 'latin1');
  }
  if (open !== '') throw new Error('the rows end inside a row');
}
