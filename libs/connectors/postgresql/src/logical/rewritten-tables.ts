import type pg from 'pg';
import type { Finding } from '@rahat/contracts';
import { queryError } from '../errors.js';
import type { DumpedTable } from './recount.js';

/**
 * Numbers of the tables whose rows lie in another file than at the transaction's snapshot: pg_class tells of that moment,
 * pg_relation_filenode of now.
 */
export async function rewrittenTables(client: pg.Client): Promise<Set<number>> {
  const { rows } = await client
    .query<{ oid: number }>(
      `
    SELECT c.oid::int8::float8 AS oid FROM pg_catalog.pg_class c
     WHERE c.relkind = 'r' AND c.relfilenode <> 0 AND pg_catalog.pg_relation_filenode(c.oid) IS DISTINCT FROM c.relfilenode`,
    )
    .catch((error: unknown) => {
      throw queryError(error, 'looking for rewritten tables');
    });
  return new Set(rows.map((row) => row.oid));
}

/**
 * TRUNCATE and rewriting ALTER TABLE leave nothing that an older snapshot could see (PostgreSQL manual, "Caveats" of MVCC): what
 * came between the snapshot and pg_dump's locks is dumped as empty, without an error. VACUUM FULL and CLUSTER keep old rows visible.
 */
export function emptiedTables(tables: readonly DumpedTable[], rewritten: ReadonlySet<number>): Finding[] {
  return tables
    .filter(({ entry, sum }) => sum.rows === 0 && rewritten.has(entry.oid))
    .map(({ entry }) => ({
      code: 'table_rewritten_at_start',
      severity: 'gap',
      object: `${entry.namespace}.${entry.tag}`,
      message: `${entry.namespace}.${entry.tag} was truncated or rewritten in the moment in which the backup began: rows that it held before are not in the backup.`,
      fix: 'Run the backup again, at a time when no TRUNCATE or ALTER TABLE of this table runs.',
    }));
}
