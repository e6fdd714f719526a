import { z } from 'zod';

export const Weekday = z.enum(['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday']);
export type Weekday = z.infer<typeof Weekday>;

const TimeOfDay = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'a time of day such as 08:30');

/** From `from` up to `to` on each of the days; `to` at or before `from` is on the next day. Read on the wall clock of the zone. */
export const WeeklyWindow = z
  .object({ kind: z.literal('weekly'), days: z.array(Weekday).min(1).max(7), from: TimeOfDay, to: TimeOfDay, timeZone: z.string() })
  .strict();
export type WeeklyWindow = z.infer<typeof WeeklyWindow>;

export const DatedWindow = z
  .object({
    kind: z.literal('dated'),
    from: z.iso.datetime({ offset: true }),
    to: z.iso.datetime({ offset: true }),
    reason: z.string().max(200).optional(),
  })
  .strict()
  .refine((window) => Date.parse(window.from) < Date.parse(window.to), { path: ['to'], message: 'is not after from' });
export type DatedWindow = z.infer<typeof DatedWindow>;

/** A time in which no backup starts by itself. */
export const BlackoutWindow = z.discriminatedUnion('kind', [WeeklyWindow, DatedWindow]);
export type BlackoutWindow = z.infer<typeof BlackoutWindow>;
export const BlackoutWindows = z.array(BlackoutWindow).max(50);

/** What becomes of a run that is due inside a window, and of one that a window finds running. */
export const BlackoutPolicy = z.object({ due: z.enum(['move', 'skip']), running: z.enum(['finish', 'cancel']) }).strict();
export type BlackoutPolicy = z.infer<typeof BlackoutPolicy>;
