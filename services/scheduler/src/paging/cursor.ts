import { RahatError, type Page } from '@rahat/contracts';
import { z } from 'zod';

/** Where a page ended. Row-level security decides what a cursor can reach, so that a forged one shows nothing more. */
export function encodeCursor(values: readonly string[]): string {
  return Buffer.from(JSON.stringify(values)).toString('base64url');
}

export function decodeCursor(cursor: string | undefined, length: number): string[] | undefined {
  if (cursor === undefined) return undefined;
  try {
    return z.array(z.string().max(200)).length(length).parse(JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8')));
  } catch (cause) {
    throw new RahatError('invalid_input', 'The cursor is not one of this list', { cause, hint: 'Take nextCursor of the page before, or leave it out.' });
  }
}

/** `rows` holds one more than `limit` when there is another page. */
export function pageOfRows<Row, Item>(rows: Row[], limit: number, present: (row: Row) => Item, cursorOf: (row: Row) => string[]): Page<Item> {
  const hasMore = rows.length > limit;
  const shown = rows.slice(0, limit);
  return { data: shown.map(present), page: { hasMore, nextCursor: hasMore ? encodeCursor(cursorOf(shown.at(-1)!)) : null } };
}
