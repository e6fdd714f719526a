import { z } from 'zod';

/** A folder of this machine, or a mounted one. Also the source of the form's fields. */
export const LocalConfig = z
  .object({
    driver: z.literal('local'),
    path: z.string().startsWith('/', 'an absolute path is needed'),
  })
  .strict();
export type LocalConfig = z.infer<typeof LocalConfig>;
