import { carriesTags, RahatError, type Database, type DatabaseSelection } from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';
import { matchesPattern } from './name-pattern.js';

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
  tags: string[];
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
    tags: row.tags,
    discoveredAt: row.discovered_at.toISOString(),
    missingSince: row.missing_since?.toISOString() ?? null,
  };
}

/** The databases that a plan covers now: of `all` and of patterns those that are there and wanted, of named ones all, so that a vanished one turns red. */
export function coveredBy<Row extends Pick<DatabaseRow, 'name' | 'excluded' | 'missing_since' | 'connectable' | 'tags'>>(
  plan: { databases: DatabaseSelection },
  databases: readonly Row[],
): Row[] {
  const { databases: wanted } = plan;
  if (Array.isArray(wanted)) {
    const names = new Set(wanted);
    return databases.filter(({ name }) => names.has(name));
  }
  const present = databases.filter((database) => !database.excluded && !database.missing_since && database.connectable);
  if (wanted === 'all') return present;
  const named = (patterns: readonly string[], name: string) => patterns.some((pattern) => matchesPattern(name, pattern));
  return present.filter(({ name, tags }) => named(wanted.include, name) && !named(wanted.exclude, name) && carriesTags(tags, wanted.tags));
}

/** Names that a plan asks for and a server doesn't have, with their place in the list. */
export function missingIn(known: readonly DatabaseRow[], databases: DatabaseSelection): { name: string; index: number }[] {
  if (!Array.isArray(databases)) return [];
  const present = new Set(known.filter((row) => !row.missing_since).map((row) => row.name));
  return databases.map((name, index) => ({ name, index })).filter(({ name }) => !present.has(name));
}
