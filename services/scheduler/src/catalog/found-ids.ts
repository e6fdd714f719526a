import type { ServiceDatabase } from '@rahat/persistence';
import { searchedWords } from '../search/search-words.js';
import { newestQuery, soughtQuery, type NewestLook, type Sought } from './sought-rows.js';

export type Table = 'servers' | 'plans' | 'runs' | 'backups';

/** What a list asks for, as conditions with their values; those without a value are left out. */
export class ListConditions {
  private readonly parts: string[] = [];
  readonly values: unknown[] = [];
  /** What stands in few rows or in most: nobody knows beforehand. */
  readonly sought: Sought = { tags: [], words: [] };

  constructor(organization: string) {
    this.where('organization_id = ?', organization);
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

  toString(): string {
    return this.parts.join(' AND ');
  }
}

/**
 * The ids of one page, in order. Row security would keep the planner from the indexes of words and tags (schema-sql.ts), so the system
 * role looks for the ids, of the organization that the conditions name; what is shown of them is read under row security.
 */
export async function foundIds(
  database: ServiceDatabase,
  table: Table,
  conditions: ListConditions,
  page: { order: string; limit: number },
): Promise<string[]> {
  return database.asSystem(`find ${table} of an organization`, async (transaction) => {
    const { tags, words } = conditions.sought;
    if (tags.length === 0 && words.length === 0) {
      const rows = await transaction.query<{ id: string }>(pageQuery(table, conditions, page), conditions.values);
      return rows.map(({ id }) => id);
    }
    const newest = newestQuery(table, conditions, page);
    const [look] = await transaction.query<NewestLook>(newest.text, newest.values);
    if (look!.ids.length >= page.limit || look!.looked < newest.most) return look!.ids.slice(0, page.limit);
    const all = soughtQuery(table, conditions, page, look!);
    return (await transaction.query<{ id: string }>(all.text, all.values)).map(({ id }) => id);
  });
}

export function pageQuery(table: Table, conditions: ListConditions, { order, limit }: { order: string; limit: number }): string {
  return `SELECT id FROM ${table} WHERE ${conditions.toString()} ORDER BY ${order} LIMIT ${limit}`;
}
