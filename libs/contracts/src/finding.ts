import { z } from 'zod';

/** Something that preflight or verification saw (product.md). A blocker stops the run; a gap makes its result `partial`. */
export const Finding = z
  .object({
    code: z.string(),
    severity: z.enum(['blocker', 'gap', 'warning', 'info']),
    message: z.string(),
    object: z.string().optional(),
    /** SQL or steps that cure it, ready to copy. */
    fix: z.string().optional(),
  })
  .meta({ id: 'Finding' });
export type Finding = z.infer<typeof Finding>;
