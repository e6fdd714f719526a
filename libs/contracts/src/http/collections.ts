import { z } from 'zod';

/** When a repository is freed of what no snapshot needs, and how long a removal can be undone. */
export const CollectionPolicy = z
  .object({
    repository: z.string(),
    /** null = only when somebody says so. */
    cron: z.string().nullable(),
    timeZone: z.string(),
    undoDays: z.number().int(),
    /** Of the workers that do it. */
    pool: z.string(),
    /** Packs of which less than half is needed are rewritten. Takes a key that reads: a worker that is broken into could read all backups. */
    rewrite: z.boolean(),
  })
  .meta({ id: 'CollectionPolicy' });
export type CollectionPolicy = z.infer<typeof CollectionPolicy>;

/** What is absent stays. */
export const ChangeCollectionPolicy = z
  .object({
    cron: z.string().min(1).max(200).nullable().optional(),
    timeZone: z.string().optional(),
    undoDays: z.number().int().min(1).max(3650).optional(),
    pool: z
      .string()
      .regex(/^[a-z0-9][a-z0-9-]{0,39}$/)
      .optional(),
    rewrite: z.boolean().optional(),
  })
  .strict()
  .meta({ id: 'ChangeCollectionPolicy' });
export type ChangeCollectionPolicy = z.infer<typeof ChangeCollectionPolicy>;
