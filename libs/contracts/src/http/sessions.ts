import { z } from 'zod';

export const Session = z
  .object({
    id: z.string(),
    organization: z.object({ id: z.string(), name: z.string() }),
    /** Where it was started from. */
    address: z.string(),
    userAgent: z.string().nullable(),
    createdAt: z.iso.datetime(),
    lastSeenAt: z.iso.datetime(),
    expiresAt: z.iso.datetime(),
    /** The one that asks. */
    current: z.boolean(),
  })
  .meta({ id: 'Session' });
export type Session = z.infer<typeof Session>;

export const EndedSessions = z.object({ ended: z.number().int() }).meta({ id: 'EndedSessions' });
export type EndedSessions = z.infer<typeof EndedSessions>;
