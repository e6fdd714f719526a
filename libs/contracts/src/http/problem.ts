import { z } from 'zod';

/** RFC 9457 problem details, with the product's own members (libraries.md §2.1). */
export const Problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.number().int(),
    detail: z.string(),
    /** The request id. */
    instance: z.string(),
    code: z.string(),
    hint: z.string().optional(),
    retryable: z.boolean(),
    errors: z.array(z.object({ pointer: z.string(), code: z.string(), message: z.string() })).optional(),
  })
  .meta({ id: 'Problem' });
export type Problem = z.infer<typeof Problem>;
