import { RahatError, type TableName } from '@rahat/contracts';

/** `shop.orders`, `"odd.schema"."table ""x"""` → schema and table, as PostgreSQL reads quoted identifiers. */
export function parseTableName(text: string): TableName {
  const part = '("(?:[^"]|"")+"|[^."]+)';
  const match = new RegExp(`^${part}\\.${part}$`).exec(text);
  if (!match)
    throw new RahatError('invalid_input', `"${text}" is not a table name.`, {
      hint: 'Write schema.table; names with dots in double quotes.',
    });
  return { schema: unquote(match[1]!), table: unquote(match[2]!) };
}

const unquote = (name: string) => (name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name);
