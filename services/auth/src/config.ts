import { z } from 'zod';

/** The environment of the auth service. */
export const authConfig = z.object({
  /** Where browsers reach the product; with https the session cookie is marked Secure. */
  RAHAT_PUBLIC_URL: z.url().optional(),
  /** A signing key signs for this long, then a new one takes over. */
  RAHAT_AUTH_KEY_DAYS: z.coerce.number().int().min(1).max(365).default(30),
});
export type AuthConfig = z.infer<typeof authConfig>;
