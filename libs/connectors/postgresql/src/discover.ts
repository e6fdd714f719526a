import type pg from 'pg';
import type { DiscoveredDatabase } from '@rahat/connector-kit';

export async function discoverDatabases(client: pg.Client): Promise<DiscoveredDatabase[]> {
  const { rows } = await client.query<{ name: string; size: string; encoding: string; collation: string; connectable: boolean }>(`
    SELECT datname::text AS name, pg_encoding_to_char(encoding)::text AS encoding, datcollate::text AS collation,
           datallowconn AND has_database_privilege(oid, 'CONNECT') AS connectable,
           CASE WHEN has_database_privilege(oid, 'CONNECT') OR pg_has_role('pg_read_all_stats', 'MEMBER') THEN pg_database_size(oid) ELSE 0 END AS size
      FROM pg_database WHERE NOT datistemplate ORDER BY datname`);
  return rows.map((row) => ({
    name: row.name,
    sizeBytes: Number(row.size),
    encoding: row.encoding,
    collation: row.collation,
    connectable: row.connectable,
  }));
}
