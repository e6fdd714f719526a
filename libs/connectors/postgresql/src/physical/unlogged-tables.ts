import type { PostgresqlConnection, TableName } from '@rahat/contracts';
import { connectClient, type ConnectOptions } from '../connect.js';

/** Unlogged tables: recovery empties them. With the partitioned tables above them, whose rows they lack. */
export async function tablesWithLostRows(connection: PostgresqlConnection, options: ConnectOptions): Promise<TableName[]> {
  await using client = await connectClient(connection, options);
  const { rows } = await client.query<TableName>(
    `SELECT DISTINCT n.nspname::text AS schema, above.relname::text AS table
       FROM pg_catalog.pg_class c
       CROSS JOIN LATERAL (SELECT c.oid UNION SELECT relid FROM pg_catalog.pg_partition_ancestors(c.oid)) tree (oid)
       JOIN pg_catalog.pg_class above ON above.oid = tree.oid JOIN pg_catalog.pg_namespace n ON n.oid = above.relnamespace
      WHERE c.relkind = 'r' AND c.relpersistence = 'u' ORDER BY 1, 2`,
  );
  return rows;
}
