import { z } from 'zod';
import { Moment } from '../moment.js';
import { Tags } from '../tags.js';

/** Whatever somebody wants to remember; found by the search. */
const NoteText = z
  .string()
  .max(2_000)
  .refine((text) => !/[^\P{Cc}\n\t]/u.test(text), 'no control characters but the end of a line');

export const SetNote = z.object({ note: NoteText }).strict().meta({ id: 'SetNote' });
export type SetNote = z.infer<typeof SetNote>;

/** What is absent stays. */
export const Annotate = z.object({ tags: Tags.optional(), note: NoteText.optional() }).strict().meta({ id: 'Annotate' });
export type Annotate = z.infer<typeof Annotate>;

/** Of a list: words that occur or begin what occurs; a span of time. */
export const SearchFilters = {
  q: z.string().trim().min(1).max(200).optional(),
  since: Moment.optional(),
  until: Moment.optional(),
};
