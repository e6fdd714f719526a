import { z } from 'zod';

/** The environment of the gateway. */
export const gatewayConfig = z.object({
  /** Reverse proxies in front of the gateway; that many entries of X-Forwarded-For are believed. */
  RAHAT_TRUSTED_PROXIES: z.coerce.number().int().min(0).max(10).default(0),
  /** Log-in and set-up tries of one address in a minute. */
  RAHAT_LOGIN_TRIES_PER_MINUTE: z.coerce.number().int().min(1).max(10_000).default(20),
});
export type GatewayConfig = z.infer<typeof gatewayConfig>;
