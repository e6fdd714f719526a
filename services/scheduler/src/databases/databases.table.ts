import { RahatError, type Database } from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';

export interface DatabaseRow {
  id: string;
  organization_id: string;
  server_id: string;
  name: string;
  size_bytes: string;
  encoding: string;
  collation: string;
  connectable: boolean;
  excluded: boolean;
  discovered_at: Date;
  missing_since: Date | null;
}

export async function databasesOf(transaction: Transaction, server: string): Promise<DatabaseRow[]> {
  return transaction.query<DatabaseRow>(`SELECT * FROM databases WHERE server_id = $1 ORDER BY name`, [server]);
}

export async function findDatabase(transaction: Transaction, server: string, id: string): Promise<DatabaseRow> {
  const [row] = await transaction.query<DatabaseRow>(`SELECT * FROM databases WHERE server_id = $1 AND id = $2`, [server, id]);
  if (!row) throw new RahatError('not_found', `There is no database ${id} on this server`);
  return row;
}

export function presentDatabase(row: DatabaseRow): Database {
  return {
    id: row.id,
    server: row.server_id,
    name: row.name,
    sizeBytes: Number(row.size_bytes),
    encoding: row.encoding,
    collation: row.collation,
    excluded: row.excluded,
    discoveredAt: row.discovered_at.toISOString(),
    missingSince: row.missing_since?.toISOString() ?? null,
  };
}

/** The databases that a plan covers now: of `all` those that are there and wanted, of named ones all, so that a vanished one turns red. */
export function coveredBy(plan: { databases: 'all' | string[] }, databases: readonly DatabaseRow[]): DatabaseRow[] {
  const { databases: wanted } = plan;
  if (wanted === 'all') return databases.filter((database) => !database.excluded && !database.missing_since && database.connectable);
  return databases.filter((database) => wanted.includes(database.name));
}
