import { z } from 'zod';
import { ComparisonScope } from '../comparison.js';

/** `POST /api/v2/comparisons`: a run, whose evidence is the report. */
export const StartComparison = z
  .object({
    /** Id of a backup of a database. */
    older: z.string(),
    /** Another backup in the same repository; absent = the database as it is when the run reads it. */
    newer: z.string().optional(),
    ...ComparisonScope.shape,
  })
  .strict()
  .meta({ id: 'StartComparison' });
export type StartComparison = z.infer<typeof StartComparison>;
