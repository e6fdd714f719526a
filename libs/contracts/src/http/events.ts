import { z } from 'zod';

const at = z.iso.datetime();
const progress = { phase: z.string(), object: z.string().optional(), bytes: z.number().int(), totalBytes: z.number().int().optional(), at };

/** The data of one event of `GET /api/v2/events`; the field `event` of the stream says which. */
export const LiveEvent = z
  .union([
    /** run: its state changed. */
    z.object({
      run: z.string(),
      type: z.string(),
      state: z.string(),
      attempt: z.number().int(),
      plan: z.string().optional(),
      server: z.string().optional(),
      error: z.object({ code: z.string(), message: z.string() }).optional(),
      at,
    }),
    /** backup.recorded, backup.proven */
    z.object({ backup: z.string(), level: z.string().optional(), at }),
    /** progress: of a run; the next one takes its place. */
    z.object({ run: z.string(), attempt: z.number().int(), ...progress }),
    /** ready, reset */
    z.object({}),
  ])
  .meta({ id: 'LiveEvent' });

/** The data of one event of `GET /api/v2/runs/{id}/events`. */
export const RunStreamEvent = z
  .union([
    /** log */
    z.object({ at, attempt: z.number().int(), level: z.string(), message: z.string() }),
    /** progress */
    z.object({ attempt: z.number().int(), ...progress }),
    /** run: the whole of it. */
    z.object({ id: z.string(), type: z.string(), state: z.string() }),
  ])
  .meta({ id: 'RunStreamEvent' });
