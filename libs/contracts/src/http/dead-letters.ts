import { z } from 'zod';

/** A message between services that was given up: out of tries, not understood, or refused for good. */
export const DeadLetter = z
  .object({
    id: z.string(),
    /** Where it lay. */
    queue: z.string(),
    message: z.string(),
    name: z.string(),
    error: z.object({ code: z.string(), message: z.string() }),
    attempts: z.number().int(),
    diedAt: z.iso.datetime(),
    /** Without secrets. */
    payload: z.unknown(),
  })
  .meta({ id: 'DeadLetter' });
export type DeadLetter = z.infer<typeof DeadLetter>;
