interface ListPage<T> {
  data: T[];
  page: { nextCursor: string | null };
}

/** All items of a cursor-paginated list, up to `limit`. */
export async function allPages<T>(load: (cursor: string | undefined) => Promise<ListPage<T>>, limit = 10_000): Promise<T[]> {
  const items: T[] = [];
  let cursor: string | undefined;
  do {
    const { data, page } = await load(cursor);
    items.push(...data);
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined && items.length < limit);
  return items.slice(0, limit);
}
