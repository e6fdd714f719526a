import type { ServiceDatabase } from '@rahat/persistence';
import { searchedWords } from '../search/search-words.js';

type Table = 'servers' | 'plans' | 'runs' | 'backups';

/** What a list asks for, as conditions with their values; those without a value are left out. */
export class ListConditions {
  private readonly parts: string[] = [];
  readonly values: unknown[] = [];

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
    return this.where(`tags <> '{}' AND tag_terms(tags) @> ?::text[]`, tags);
  }

  searched(text: string | undefined): this {
    if (text === undefined) return this;
    const words = searchedWords(text);
    return words === undefined ? this.where('false') : this.where(`search @@ to_tsquery('simple', ?)`, words);
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
  const rows = await database.asSystem(`find ${table} of an organization`, (transaction) =>
    transaction.query<{ id: string }>(pageQuery(table, conditions, page), conditions.values),
  );
  return rows.map(({ id }) => id);
}

export function pageQuery(table: Table, conditions: ListConditions, { order, limit }: { order: string; limit: number }): string {
  return `SELECT id FROM ${table} WHERE ${conditions.toString()} ORDER BY ${order} LIMIT ${limit}`;
}
