import type { Page } from '@rahat/contracts';
import { z } from 'zod';
import type { Cursors } from './cursors.js';

/** One list's pages: the cursor names the list, so that it can't be used for another one. */
export class ListPages {
  constructor(
    private readonly cursors: Cursors,
    private readonly list: string,
  ) {}

  /** What `positionOf` gave for the last row of the page before. */
  after(cursor: string | undefined): string[] {
    if (cursor === undefined) return [];
    const [, ...position] = this.cursors.decode(cursor, z.tuple([z.literal(this.list)], z.string()));
    return position;
  }

  /** `rows` holds one more than `limit` when there is another page. */
  page<Row, Item>(rows: Row[], limit: number, present: (row: Row) => Item, positionOf: (row: Row) => string[]): Page<Item> {
    const hasMore = rows.length > limit;
    const shown = rows.slice(0, limit);
    return {
      data: shown.map(present),
      page: { hasMore, nextCursor: hasMore ? this.cursors.encode([this.list, ...positionOf(shown.at(-1)!)]) : null },
    };
  }
}
