import type pg from 'pg';
import { RahatError } from '@rahat/contracts';
import { quoteIdentifier } from '../errors.js';
import type { Condition } from './condition.js';
import { writableColumns, type LiveTable } from './live-tables.js';
import { columnList, nameList, numbered, sameKey, wholeRow } from './row-sql.js';

/** Which rows of the live table go unless they are wanted: those of a condition, or the very rows of a table. */
export type Removal = { kind: 'none' } | { kind: 'where'; condition: Condition } | { kind: 'rows'; table: string };

/** What shall become of a live table. */
export interface TableChange {
  number: number;
  live: LiveTable;
  /** Written and compared. */
  columns: string[];
  /** A temporary table of the wanted rows. */
  wanted: string;
  removal: Removal;
  /** Rows that have a wanted key and differ become the wanted ones. */
  updates: boolean;
  /** Before the names of its lists: a schema. */
  lists: string;
}

export interface ChangeCounts {
  removed: number;
  changed: number;
  inserted: number;
}

type List = 'removed' | 'changed' | 'updated' | 'inserted' | 'missing' | 'places';

/**
 * Rows as they were (removed, changed) and as they are afterwards (updated, inserted), each with all columns of the live table;
 * `missing` are the wanted rows that it doesn't have, `places` those of rows that go from a table without a key.
 */
export function listOf({ lists, number }: Pick<TableChange, 'lists' | 'number'>, list: List): string {
  const place = list === 'missing' || list === 'places' ? 'pg_temp' : lists;
  return `${place}.${quoteIdentifier(`${list}_${number}`)}`;
}

/** Finds what has to change, and keeps the rows that will. Changes nothing. The table must be locked against writers. */
export async function findChanges(client: pg.Client, change: TableChange): Promise<ChangeCounts> {
  const { live, wanted, columns, updates } = change;
  const recorded = columnList('l', writableColumns(live));
  const keep = async (list: List, select: string): Promise<number> =>
    (await client.query(`CREATE TABLE ${listOf(change, list)} AS ${select}`)).rowCount ?? 0;
  const nothing = `SELECT ${recorded} FROM ONLY ${live.sqlName} l WHERE false`;
  await keep('updated', nothing);
  await keep('inserted', nothing);
  if (live.key.length === 0) return findWholeRows(change, keep);
  const same = (one: string, other: string): string => sameKey(one, other, live.key);
  const removal = removalOf(change);
  return {
    removed: await keep(
      'removed',
      `SELECT ${recorded} FROM ONLY ${live.sqlName} l WHERE (${removal}) AND NOT EXISTS (SELECT FROM ${wanted} w WHERE ${same('l', 'w')})`,
    ),
    changed: await keep(
      'changed',
      updates
        ? `SELECT ${recorded} FROM ONLY ${live.sqlName} l JOIN ${wanted} w ON ${same('l', 'w')} WHERE ${wholeRow('l', columns)} <> ${wholeRow('w', columns)}`
        : nothing,
    ),
    inserted: await keep(
      'missing',
      `SELECT ${columnList('w', columns)} FROM ${wanted} w WHERE NOT EXISTS (SELECT FROM ONLY ${live.sqlName} l WHERE ${same('l', 'w')})`,
    ),
  };
}

function removalOf({ removal, live }: TableChange): string {
  switch (removal.kind) {
    case 'none':
      return 'false';
    case 'where':
      return removal.condition('l');
    case 'rows':
      return `EXISTS (SELECT FROM ${removal.table} g WHERE ${sameKey('l', 'g', live.key)})`;
  }
}

/** Without a key a row is what its values are, and of equal rows each counts. */
async function findWholeRows(change: TableChange, keep: (list: List, select: string) => Promise<number>): Promise<ChangeCounts> {
  const { live, wanted, columns, removal } = change;
  const isIn = (other: string): string => `EXISTS (SELECT FROM ${other} o WHERE o.whole = n.whole AND o.nth = n.nth)`;
  const wantedRows = numbered(wanted, columns);
  const liveRows = numbered(live.sqlName, columns, removal.kind === 'where' ? removal.condition('r') : 'true');
  const going =
    removal.kind === 'where' ? `NOT ${isIn(wantedRows)}` : removal.kind === 'rows' ? isIn(numbered(removal.table, columns)) : 'false';
  await keep('places', `SELECT n.place FROM ${liveRows} n WHERE ${going}`);
  const recorded = columnList('l', writableColumns(live));
  const atPlaces = `l.ctid IN (SELECT p.place FROM ${listOf(change, 'places')} p)`;
  const lacking = removal.kind === 'rows' ? 'true' : `NOT ${isIn(liveRows)}`;
  return {
    removed: await keep('removed', `SELECT ${recorded} FROM ONLY ${live.sqlName} l WHERE ${atPlaces}`),
    changed: await keep('changed', `SELECT ${recorded} FROM ONLY ${live.sqlName} l WHERE false`),
    inserted: await keep(
      'missing',
      `SELECT ${columnList('w', columns)} FROM ${wanted} w WHERE w.ctid IN (SELECT n.place FROM ${wantedRows} n WHERE ${lacking})`,
    ),
  };
}

export async function removeRows(client: pg.Client, change: TableChange, counts: ChangeCounts): Promise<void> {
  const { live } = change;
  if (counts.removed === 0) return;
  const { rowCount } = await client.query(
    live.key.length === 0
      ? `DELETE FROM ONLY ${live.sqlName} l USING ${listOf(change, 'places')} p WHERE l.ctid = p.place`
      : `DELETE FROM ONLY ${live.sqlName} l USING ${listOf(change, 'removed')} r WHERE ${sameKey('l', 'r', live.key)}`,
  );
  assertCount(change, 'removed', counts.removed, rowCount);
}

export async function updateRows(client: pg.Client, change: TableChange, counts: ChangeCounts): Promise<void> {
  const { live, columns, wanted } = change;
  const fixed = new Set(live.columns.filter(({ alwaysIdentity }) => alwaysIdentity).map(({ name }) => name));
  const set = columns.filter((column) => !fixed.has(column)).map((column) => `${quoteIdentifier(column)} = w.${quoteIdentifier(column)}`);
  if (counts.changed === 0 || set.length === 0) return;
  const recorded = writableColumns(live);
  const { rowCount } = await client.query(
    `WITH made AS (UPDATE ONLY ${live.sqlName} l SET ${set.join(', ')} FROM ${listOf(change, 'changed')} c JOIN ${wanted} w ON ${sameKey('c', 'w', live.key)}
       WHERE ${sameKey('l', 'c', live.key)} RETURNING ${columnList('l', recorded)})
     INSERT INTO ${listOf(change, 'updated')} SELECT * FROM made`,
  );
  assertCount(change, 'updated', counts.changed, rowCount);
}

export async function insertRows(client: pg.Client, change: TableChange, counts: ChangeCounts): Promise<void> {
  const { live, columns } = change;
  if (counts.inserted === 0) return;
  const { rowCount } = await client.query(
    `WITH made AS (INSERT INTO ${live.sqlName} AS l (${nameList(columns)}) OVERRIDING SYSTEM VALUE SELECT ${columnList('m', columns)} FROM ${listOf(change, 'missing')} m
       RETURNING ${columnList('l', writableColumns(live))})
     INSERT INTO ${listOf(change, 'inserted')} SELECT * FROM made`,
  );
  assertCount(change, 'inserted', counts.inserted, rowCount);
}

function assertCount({ live }: TableChange, what: string, expected: number, actual: number | null): void {
  if (actual === expected) return;
  throw new RahatError(
    'restore_refused',
    `${live.schema}.${live.name}: ${actual} rows were ${what} instead of ${expected}; nothing was changed`,
    {
      hint: 'A trigger of the table, or a foreign key that points to it, changes what is done. Restore as the owner of the table, for whom its triggers are switched off meanwhile.',
    },
  );
}
