import type { Tenant, TenantDatabase, Transaction } from '@rahat/persistence';
import { searchedWords } from '../search/search-words.js';
import { newestQuery, soughtQuery, type NewestLook, type Sought } from './sought-rows.js';

export type Table = 'servers' | 'plans' | 'runs' | 'backups';

/** What a list asks for, as conditions with their values; those without a value are left out. */
export class ListConditions {
  private readonly parts: string[] = [];
  readonly values: unknown[] = [];
  /** What stands in few rows or in most: nobody knows beforehand. */
  readonly sought: Sought = { tags: [], words: [] };

  constructor(readonly tenant: Tenant) {
    this.where('organization_id = ?', tenant.organization);
  }

  /** Each `?` stands for the next value. */
  where(condition: string, ...values: unknown[]): this {
    if (values.some((value) => value === undefined)) return this;
    let next = this.values.length;
    this.parts.push(condition.replaceAll('?', () => `$${(next += 1)}`));
    this.values.push(...values);
    return this;
  }

  tagged(tags: readonly string[] | undefined): this {
    this.sought.tags.push(...(tags ?? []));
    return this;
  }

  searched(text: string | undefined): this {
    if (text === undefined) return this;
    const words = searchedWords(text);
    if (words.length === 0) return this.where('false');
    this.sought.words.push(...words);
    return this;
  }

  /** What row security would hide is not counted into a page either: ids come in the same pages as their rows. */
  within(table: Table, servers: readonly string[]): this {
    const groups = this.tenant.serverGroups;
    if (table !== 'plans') return this.where(`${table === 'servers' ? 'id' : 'server_id'} = ANY (?::text[])`, servers);
    return this.where(
      `(server_ids <> '{}' OR server_groups <> '{}') AND (server_tags = '{}' OR server_groups <> '{}') AND server_ids <@ ?::text[] AND server_groups <@ ?::text[]`,
      servers,
      groups,
    );
  }

  toString(): string {
    return this.parts.join(' AND ');
  }
}

/**
 * The ids of one page, in order. Row security would keep the planner from the indexes of words and tags (schema-sql.ts), so the system
 * role looks for the ids, of the organization and the servers that the conditions' tenant has; what is shown of them is read under row
 * security.
 */
export async function foundIds(
  database: TenantDatabase,
  table: Table,
  all: ListConditions,
  page: { order: string; limit: number },
): Promise<string[]> {
  return database.asSystem(`find ${table} of an organization`, async (transaction) => {
    const reached = await reachedServers(transaction, all.tenant);
    const conditions = reached === null ? all : all.within(table, reached);
    const { tags, words } = conditions.sought;
    if (tags.length === 0 && words.length === 0) {
      const rows = await transaction.last.query<{ id: string }>(pageQuery(table, conditions, page), conditions.values);
      return rows.map(({ id }) => id);
    }
    const newest = newestQuery(table, conditions, page);
    const [look] = await transaction.query<NewestLook>(newest.text, newest.values);
    if (look!.ids.length >= page.limit || look!.looked < newest.most) return look!.ids.slice(0, page.limit);
    const sought = soughtQuery(table, conditions, page, look!);
    return (await transaction.last.query<{ id: string }>(sought.text, sought.values)).map(({ id }) => id);
  });
}

/** null: all of the organization. */
async function reachedServers(transaction: Transaction, { organization, serverGroups }: Tenant): Promise<string[] | null> {
  if (serverGroups === null) return null;
  const rows = await transaction.query<{ id: string }>(`SELECT id FROM reached_servers($1, $2) AS id`, [organization, serverGroups]);
  return rows.map(({ id }) => id);
}

export function pageQuery(table: Table, conditions: ListConditions, { order, limit }: { order: string; limit: number }): string {
  return `SELECT id FROM ${table} WHERE ${conditions.toString()} ORDER BY ${order} LIMIT ${limit}`;
}
