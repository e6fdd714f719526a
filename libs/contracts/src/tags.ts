import { z } from 'zod';

/** `key` or `key=value`, on servers, databases and plans. */
export const Tag = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._/-]{0,62}(=[^\s,=]{1,100})?$/, 'a tag is key or key=value: small letters, digits and . _ / - in the key')
  .refine((tag) => !/\p{Cc}/u.test(tag), 'no control characters');
export type Tag = z.infer<typeof Tag>;

export const Tags = z.array(Tag).max(50);

/** In queries: `env=prod,critical` asks for all of them; a key alone is met by any value. */
export const TagFilter = z
  .string()
  .transform((text) => text.split(','))
  .pipe(Tags);

/** True when each wanted tag is carried; `env` is met by `env=prod`, too. */
export function carriesTags(carried: readonly Tag[], wanted: readonly Tag[]): boolean {
  return wanted.every((tag) => carried.some((own) => own === tag || own.split('=', 1)[0] === tag));
}
