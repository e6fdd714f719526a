import { z } from 'zod';

export const PageQuery = z.object({ cursor: z.string().optional(), limit: z.coerce.number().int().min(1).max(200).default(50) });
export type PageQuery = z.infer<typeof PageQuery>;

/** `{data, page}` of a cursor-paginated list. */
export function pageOf<T extends z.ZodType>(item: T) {
  return z.object({ data: z.array(item), page: z.object({ nextCursor: z.string().nullable(), hasMore: z.boolean() }) });
}
export interface Page<T> {
  data: T[];
  page: { nextCursor: string | null; hasMore: boolean };
}
