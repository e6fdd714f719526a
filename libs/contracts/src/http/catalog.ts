import { z } from 'zod';

/** `POST /api/v2/catalog/rebuild`: one run per repository. */
export const RebuildCatalog = z
  .object({
    /** Absent = every one of the organization. */
    repository: z.string().optional(),
    /** Only says what it would record. */
    dryRun: z.boolean().default(false),
  })
  .strict()
  .meta({ id: 'RebuildCatalog' });
export type RebuildCatalog = z.infer<typeof RebuildCatalog>;
