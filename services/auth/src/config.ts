import { z } from 'zod';

/** The environment of the auth service. */
export const authConfig = z.object({
  /** Where browsers reach the product: passkeys and identity providers are bound to it; with https the session cookie is marked Secure. */
  RAHAT_PUBLIC_URL: z.url().optional(),
  /** Hosts and networks of identity providers that may be called although they are private, and without TLS. */
  RAHAT_OUTGOING_ALLOW: z
    .string()
    .default('')
    .transform((text) => text.split(',').flatMap((entry) => entry.trim() || []))
    .meta({ examples: ['10.1.0.0/16,sso.internal'] }),
  /** A signing key signs for this long, then a new one takes over. */
  RAHAT_AUTH_KEY_DAYS: z.coerce.number().int().min(1).max(365).default(30),
});
export type AuthConfig = z.infer<typeof authConfig>;
