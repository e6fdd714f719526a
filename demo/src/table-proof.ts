import pg from 'pg';
import type { PostgresqlConnection } from '@rahat/contracts';

export interface TableProof {
  table: string;
  rows: number;
  hash: string;
}

/** Counts and order-independent hashes made by PostgreSQL itself: a second opinion beside the product's own proof. */
export async function proveTables(connection: PostgresqlConnection, database: string): Promise<TableProof[]> {
  return withClient(connection, database, async (client) => {
    await client.query(
      `SET datestyle = 'ISO'; SET timezone = 'UTC'; SET extra_float_digits = 3; SET bytea_output = 'hex'; SET row_security = off`,
    );
    const { rows: tables } = await client.query<{ name: string }>(
      `SELECT format('%I.%I', n.nspname, c.relname) AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE c.relkind IN ('r', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg_toast%' ORDER BY 1`,
    );
    const proofs: TableProof[] = [];
    for (const { name } of tables) {
      const { rows } = await client.query<{ rows: string; hash: string }>(
        `SELECT count(*) AS rows, coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)::text AS hash FROM ${name} t`,
      );
      proofs.push({ table: name, rows: Number(rows[0]!.rows), hash: rows[0]!.hash });
    }
    const { rows: objects } = await client.query<{ rows: string; hash: string }>(
      `SELECT count(*) AS rows, coalesce(sum(hashtextextended(encode(lo_get(oid), 'hex'), 0)::numeric), 0)::text AS hash FROM pg_largeobject_metadata`,
    );
    return [...proofs, { table: 'large objects', rows: Number(objects[0]!.rows), hash: objects[0]!.hash }];
  });
}

export async function withClient<T>(
  connection: PostgresqlConnection,
  database: string,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const { host, port, user, password } = connection;
  const client = new pg.Client({ host, port, user, password, database });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** Tables of `expected` that `actual` lacks or holds differently. */
export function mismatches(expected: TableProof[], actual: TableProof[]): string[] {
  const found = new Map(actual.map((proof) => [proof.table, proof]));
  return expected
    .filter(({ table, rows, hash }) => found.get(table)?.rows !== rows || found.get(table)?.hash !== hash)
    .map(({ table }) => table);
}
