import { z } from 'zod';

/** What stands on the newer side of a comparison: another backup of the same repository, or the database as it is. */
export const ComparedWith = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('backup'), snapshot: z.string() }),
  z.object({ kind: z.literal('database'), name: z.string() }),
]);
export type ComparedWith = z.infer<typeof ComparedWith>;
