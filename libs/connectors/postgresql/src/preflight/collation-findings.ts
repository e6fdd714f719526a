import type pg from 'pg';
import { type CurableFinding, cured, listed } from './cured.js';

/** Since this major a database knows the version of its own collation. */
const DATABASE_COLLATIONS_SINCE = 15;

/**
 * Collations of the operating system that changed under the database's indexes. What such an index finds may be wrong; the rows are
 * right, and so is a logical backup. A restore builds its indexes anew.
 */
export async function collationFindings(client: pg.Client, major: number): Promise<CurableFinding[]> {
  const ofDatabase =
    major >= DATABASE_COLLATIONS_SINCE
      ? `UNION ALL SELECT 'the database', format('ALTER DATABASE %I REFRESH COLLATION VERSION;', datname), datname::text FROM pg_database
         WHERE datname = current_database() AND datcollversion <> pg_database_collation_actual_version(oid)`
      : '';
  // Hundreds of collations are there from the beginning; only those that something uses matter.
  const { rows } = await client.query<{ name: string; sql: string; database: string }>(`
    SELECT format('%I.%I', n.nspname, c.collname) AS name, format('ALTER COLLATION %I.%I REFRESH VERSION;', n.nspname, c.collname) AS sql,
           current_database()::text AS database
      FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace
     WHERE c.collversion <> pg_collation_actual_version(c.oid)
       AND EXISTS (SELECT FROM pg_depend d WHERE d.refclassid = 'pg_collation'::regclass AND d.refobjid = c.oid)
    ${ofDatabase}`);
  if (rows.length === 0) return [];
  const reindex = await client.query<{ sql: string }>(`SELECT format('REINDEX DATABASE %I;', current_database()) AS sql`);
  return [
    cured(
      {
        code: 'collation_version_mismatch',
        severity: 'warning',
        object: listed(rows.map(({ name }) => name)),
        message: 'The operating system sorts otherwise than when indexes were built: they may miss rows.',
      },
      { sql: [...reindex.rows, ...rows].map(({ sql }) => sql).join('\n'), scope: 'database' },
      'as its owner; writers wait meanwhile',
    ),
  ];
}
