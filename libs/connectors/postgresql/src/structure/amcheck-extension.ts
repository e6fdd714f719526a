import type pg from 'pg';
import { quoteIdentifier } from '../errors.js';

const OWN_SCHEMA = 'rhb_t_amcheck';

export interface Amcheck {
  /** Quoted. */
  schema: string;
  /** It can look at tables too, since its version 1.3 of PostgreSQL 14. */
  checksTables: boolean;
  version: string;
}

/** Installs the extension, or brings an older one of the restored database up to date. Undefined = it is not there to be installed. */
export async function makeAmcheck(client: pg.Client): Promise<Amcheck | undefined> {
  const known = await installed(client);
  if (known) {
    await client.query('ALTER EXTENSION amcheck UPDATE');
    return (await installed(client)) ?? known;
  }
  const { rows } = await client.query("SELECT FROM pg_catalog.pg_available_extensions WHERE name = 'amcheck'");
  if (rows.length === 0) return undefined;
  await client.query(`CREATE SCHEMA ${OWN_SCHEMA}`);
  await client.query(`CREATE EXTENSION amcheck SCHEMA ${OWN_SCHEMA}`);
  return installed(client);
}

async function installed(client: pg.Client): Promise<Amcheck | undefined> {
  const { rows } = await client.query<{ schema: string; tables: boolean; version: string }>(`
    SELECT n.nspname AS schema, e.extversion AS version,
           EXISTS (SELECT FROM pg_catalog.pg_proc p WHERE p.pronamespace = n.oid AND p.proname = 'verify_heapam') AS tables
      FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'amcheck'`);
  const [row] = rows;
  return row && { schema: quoteIdentifier(row.schema), checksTables: row.tables, version: row.version };
}
