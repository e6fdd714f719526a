import { quoteIdentifier } from '../errors.js';
import type { KeyColumn } from './live-tables.js';

/** `l."a", l."b"` */
export function columnList(alias: string, columns: readonly string[]): string {
  return columns.map((column) => `${alias}.${quoteIdentifier(column)}`).join(', ');
}

export function nameList(columns: readonly string[]): string {
  return columns.map(quoteIdentifier).join(', ');
}

/** Equality of a key, as its index sees it. */
export function sameKey(left: string, right: string, key: readonly KeyColumn[]): string {
  return key.map(({ name, operator }) => `${left}.${quoteIdentifier(name)} ${operator} ${right}.${quoteIdentifier(name)}`).join(' AND ');
}

/** A row's text: two rows that differ in any byte of a value differ in it, whatever their types call equal. */
export function wholeRow(alias: string, columns: readonly string[]): string {
  return `(ROW(${columnList(alias, columns)})::pg_catalog.text COLLATE pg_catalog."C")`;
}

/** Places of rows, and which of equal rows each is. */
export function numbered(table: string, columns: readonly string[], where = 'true'): string {
  const whole = wholeRow('r', columns);
  return `(SELECT r.ctid AS place, ${whole} AS whole, pg_catalog.row_number() OVER (PARTITION BY ${whole}) AS nth FROM ONLY ${table} r WHERE ${where})`;
}
