import { z } from 'zod';
import { PlainText } from '../plain-text.js';
import { PlanQuery, Plan } from './plans.js';
import { Backup, BackupQuery, Run, RunQuery } from './runs.js';
import { Server, ServerQuery } from './servers.js';

/** `GET /api/v2/search?q=`: every word must occur, or begin a word that occurs; the newest first. */
export const SearchQuery = z.object({
  q: z.string().trim().min(1).max(200),
  /** Of each kind. */
  limit: z.coerce.number().int().min(1).max(50).default(10),
});
export type SearchQuery = z.infer<typeof SearchQuery>;

/** The first of each kind; the list of a kind takes the same `q` and has all of them. */
export const SearchResult = z
  .object({ servers: z.array(Server), plans: z.array(Plan), runs: z.array(Run), backups: z.array(Backup) })
  .meta({ id: 'SearchResult' });
export type SearchResult = z.infer<typeof SearchResult>;

export const SearchedList = z.enum(['servers', 'plans', 'runs', 'backups']);
export type SearchedList = z.infer<typeof SearchedList>;

const PAGE = { cursor: true, limit: true } as const;
const QUERIES: Record<SearchedList, z.ZodObject> = {
  servers: ServerQuery.omit(PAGE),
  plans: PlanQuery.omit(PAGE),
  runs: RunQuery.omit(PAGE),
  backups: BackupQuery.omit(PAGE),
};

/** A list with its filters under a name, for everybody of the organization; times may be relative, such as `7d`. */
export const CreateSavedSearch = z
  .object({
    name: PlainText.trim().min(1).max(100),
    list: SearchedList,
    query: z.record(z.string(), z.string().max(500)),
  })
  .strict()
  .superRefine(({ list, query }, context) => {
    const { since, until, ...filters } = query;
    const asked = Object.fromEntries(
      Object.entries({ since, until }).filter(([, time]) => time !== undefined && !RELATIVE_TIME.test(time)),
    );
    const { error } = QUERIES[list].strict().safeParse({ ...filters, ...asked });
    for (const issue of error?.issues ?? []) context.addIssue({ code: 'custom', path: ['query', ...issue.path], message: issue.message });
  })
  .meta({ id: 'CreateSavedSearch' });
export type CreateSavedSearch = z.infer<typeof CreateSavedSearch>;

export const SavedSearch = z
  .object({
    id: z.string(),
    name: z.string(),
    list: SearchedList,
    query: z.record(z.string(), z.string()),
    createdBy: z.string(),
    createdAt: z.iso.datetime(),
  })
  .meta({ id: 'SavedSearch' });
export type SavedSearch = z.infer<typeof SavedSearch>;

/** `90m`, `24h`, `7d`, `4w`: so long ago. */
const RELATIVE_TIME = /^(\d{1,4})([mhdw])$/;
const UNIT_MS = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 7 * 86_400_000 };

export function timeAgo(text: string, now: Date): Date | undefined {
  const [, amount, unit] = RELATIVE_TIME.exec(text) ?? [];
  return amount === undefined ? undefined : new Date(now.getTime() - Number(amount) * UNIT_MS[unit as keyof typeof UNIT_MS]);
}
