import { z } from 'zod';

/** One line of text: control characters have no place in names and paths, and PostgreSQL refuses a NUL. */
export const PlainText = z.string().refine((text) => !/\p{Cc}/u.test(text), 'no control characters');
