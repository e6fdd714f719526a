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

/** What a socket at `/api/v2/live` sends with `follow` and `unfollow`: without a run it is about all of the organization. */
export const LiveFollow = z.strictObject({
  run: z
    .string()
    .max(64)
    .regex(/^run_\w+$/)
    .optional(),
  /** Of the last event that was heard: what came since comes first. */
  lastEventId: z.string().max(100).optional(),
});
export type LiveFollow = z.infer<typeof LiveFollow>;

/** An event as a socket hears it, under the name `event`; type, data and id are those of the server-sent events. */
export const LiveMessage = z.object({
  /** Present when the run is followed by itself. */
  run: z.string().optional(),
  type: z.string(),
  data: z.unknown(),
  id: z.string().optional(),
});
export type LiveMessage = z.infer<typeof LiveMessage>;

/** What happened after a place in the events, as services tell the gateway. */
export const LivePage = z.object({
  /** The place was none, or is no longer kept: the events begin anew. */
  missed: z.boolean(),
  /** Behind the last event. */
  position: z.string(),
  events: z.array(LiveMessage.pick({ type: true, data: true, id: true })),
  more: z.boolean(),
  /** Nothing will come any more. */
  over: z.boolean(),
});
export type LivePage = z.infer<typeof LivePage>;
