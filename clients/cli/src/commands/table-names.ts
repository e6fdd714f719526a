import { RahatError, type Rename, type RowSelection, type TableName } from '@rahat/contracts';

const PART = '("(?:[^"]|"")+"|[^."]+)';

/** `shop.orders`, `"odd.schema"."table ""x"""` → schema and table, as PostgreSQL reads quoted identifiers. */
export function parseTableName(text: string): TableName {
  const match = new RegExp(`^${PART}\\.${PART}$`).exec(text);
  if (!match)
    throw new RahatError('invalid_input', `"${text}" is not a table name.`, {
      hint: 'Write schema.table; names with dots in double quotes.',
    });
  return { schema: unquote(match[1]!), table: unquote(match[2]!) };
}

/** `public.orders: customer_id = 7` → the table, and which of its rows. */
export function parseRowSelection(text: string): RowSelection {
  const [table, condition] = cutAtFirst(':', text) ?? [];
  if (table && condition) return { ...parseTableName(table), condition };
  throw new RahatError('invalid_input', `"${text}" names no table and condition.`, {
    hint: "Write schema.table: condition, as in 'public.orders: customer_id = 7'.",
  });
}

/** `public.orders=public.orders_of_monday`, or of a whole schema `public=monday`. */
export function parseRename(text: string): Rename {
  const [from, to] = cutAtFirst('=', text)?.map(placeOf) ?? [];
  if (from && to && (from.table === undefined) === (to.table === undefined)) return { from, to };
  throw new RahatError('invalid_input', `"${text}" is no renaming.`, {
    hint: 'Write schema.table=schema.table, or schema=schema; names with dots or signs in double quotes.',
  });
}

function placeOf(text: string): Rename['from'] {
  const alone = new RegExp(`^${PART}$`).exec(text);
  return alone ? { schema: unquote(alone[1]!) } : parseTableName(text);
}

/** What stands before and behind the first such sign that is not in double quotes. */
function cutAtFirst(sign: string, text: string): [string, string] | undefined {
  const match = new RegExp(`^((?:"(?:[^"]|"")*"|[^"${sign}])*)${sign}([^]*)$`).exec(text);
  return match ? [match[1]!.trim(), match[2]!.trim()] : undefined;
}

const unquote = (name: string) => (name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name);
