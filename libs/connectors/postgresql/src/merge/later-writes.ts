import type pg from 'pg';
import { quoteIdentifier } from '../errors.js';
import { listOf } from './change-rows.js';
import type { LiveTable } from './live-tables.js';
import { columnList, numbered, sameKey, wholeRow } from './row-sql.js';
import type { SafetyCopyAbout } from './safety-copy.js';

export interface LaterWrites {
  /** `schema.table` */
  table: string;
  rows: number;
  /** As a sentence has it behind the number. */
  what: string;
  /** Shows them. */
  query: string;
}

type KeptTable = SafetyCopyAbout['tables'][number];

/** Rows that a restore left, or took away, and that are not so any more: an undo would take back what others did since. */
export async function laterWrites(client: pg.Client, schema: string, kept: KeptTable, live: LiveTable): Promise<LaterWrites[]> {
  const lists = quoteIdentifier(schema);
  const list = (which: 'inserted' | 'updated' | 'removed'): string => listOf({ lists, number: kept.number }, which);
  const queries = kept.created
    ? createdQueries(kept, live, list('inserted'))
    : live.key.length === 0
      ? [{ what: 'restored rows changed or gone', query: lostWholeRows(kept, live, list('inserted')) }]
      : [
          ...(['inserted', 'updated'] as const).map((which) => ({
            what: `${which} rows changed or gone`,
            query: changedRows(kept, live, list(which)),
          })),
          { what: 'removed rows there again', query: returnedRows(kept, live, list('removed')) },
        ];
  const found: LaterWrites[] = [];
  for (const { what, query } of queries) {
    const { rows } = await client.query<{ rows: number }>(`SELECT pg_catalog.count(*)::float8 AS rows FROM (${query}) q`);
    const count = rows[0]?.rows ?? 0;
    if (count > 0) found.push({ table: `${kept.schema}.${kept.name}`, rows: count, what, query: `${query};` });
  }
  return found;
}

function changedRows({ columns }: KeptTable, { sqlName, key }: LiveTable, left: string): string {
  return `SELECT ${columnList('k', columns)} FROM ${left} k WHERE NOT EXISTS (SELECT FROM ONLY ${sqlName} l WHERE ${sameKey('l', 'k', key)} AND ${wholeRow('l', columns)} = ${wholeRow('k', columns)})`;
}

function returnedRows({ columns }: KeptTable, { sqlName, key }: LiveTable, removed: string): string {
  return `SELECT ${columnList('l', columns)} FROM ONLY ${sqlName} l WHERE EXISTS (SELECT FROM ${removed} k WHERE ${sameKey('l', 'k', key)})`;
}

function lostWholeRows({ columns }: KeptTable, { sqlName }: LiveTable, left: string): string {
  return `SELECT k.whole FROM ${numbered(left, columns)} k WHERE NOT EXISTS (SELECT FROM ${numbered(sqlName, columns)} n WHERE n.whole = k.whole AND n.nth = k.nth)`;
}

/** Of a table that the restore made everything goes: any row beside the restored ones is a later one. */
function createdQueries(kept: KeptTable, live: LiveTable, left: string): { what: string; query: string }[] {
  if (kept.number === 0) return [{ what: 'rows came', query: `SELECT FROM ONLY ${live.sqlName} l` }];
  const { columns } = kept;
  const added = `SELECT n.whole FROM ${numbered(live.sqlName, columns)} n WHERE NOT EXISTS (SELECT FROM ${numbered(left, columns)} k WHERE n.whole = k.whole AND n.nth = k.nth)`;
  return [
    { what: 'restored rows changed or gone', query: lostWholeRows(kept, live, left) },
    { what: 'rows came or changed', query: added },
  ];
}
