import { z } from 'zod';

const perMinute = (byDefault: number) => z.coerce.number().int().min(1).max(10_000_000).default(byDefault);
const atOnce = (byDefault: number) => z.coerce.number().int().min(1).max(100_000).default(byDefault);

/** The environment of the gateway. */
export const gatewayConfig = z.object({
  /** Reverse proxies in front of the gateway; that many entries of X-Forwarded-For are believed. */
  RAHAT_TRUSTED_PROXIES: z.coerce.number().int().min(0).max(10).default(0),
  /** Log-in and set-up tries of one address in a minute. */
  RAHAT_LOGIN_TRIES_PER_MINUTE: z.coerce.number().int().min(1).max(10_000).default(20),
  /** Log-ins that are checked at once by this process; the others wait for a moment. */
  RAHAT_GATEWAY_LOGINS_AT_ONCE: z.coerce.number().int().min(1).max(1_000).default(4),
  /**
   * Requests of each class under way at once in this process; of one network half of them. As many more wait. A service works on some ten
   * at a time: these are far more than are needed to keep it busy, and few enough to be answered in time.
   */
  RAHAT_GATEWAY_READS_AT_ONCE: atOnce(256),
  RAHAT_GATEWAY_WRITES_AT_ONCE: atOnce(128),
  RAHAT_GATEWAY_HEAVY_REQUESTS_AT_ONCE: atOnce(64),
  /** Cancelling of runs, log-outs, and devices that wait to be let in. */
  RAHAT_GATEWAY_URGENT_REQUESTS_AT_ONCE: atOnce(64),
  /** Who has waited for so long is told to come again. */
  RAHAT_GATEWAY_LONGEST_WAIT_SECONDS: z.coerce.number().min(0.1).max(60).default(3),
  /** Requests of one address in a minute, whoever makes them; a whole office may be behind one. */
  RAHAT_GATEWAY_ADDRESS_REQUESTS_PER_MINUTE: perMinute(12_000),
  /** Of one user or API key. */
  RAHAT_GATEWAY_READS_PER_MINUTE: perMinute(3_000),
  RAHAT_GATEWAY_WRITES_PER_MINUTE: perMinute(1_200),
  /** Restores, searches, exports, verifications and what knocks at servers elsewhere. */
  RAHAT_GATEWAY_HEAVY_REQUESTS_PER_MINUTE: perMinute(240),
  /** Sockets that one user or API key has open at a gateway. */
  RAHAT_GATEWAY_SOCKETS_PER_USER: z.coerce.number().int().min(1).max(100_000).default(50),
  /** Connections of all clients together; those beyond are closed. */
  RAHAT_GATEWAY_CONNECTIONS: z.coerce.number().int().min(10).max(1_000_000).default(20_000),
  /** Of one address (one network of IPv6); a whole office may be behind one. Not where RAHAT_TRUSTED_PROXIES are in front. */
  RAHAT_GATEWAY_CONNECTIONS_PER_ADDRESS: z.coerce.number().int().min(10).max(1_000_000).default(2_000),
  /** From the opening of a connection, or the first byte of a request, to the end of its headers. */
  RAHAT_GATEWAY_HEADERS_TIMEOUT_SECONDS: z.coerce.number().min(1).max(600).default(20),
  /** … to the end of its body. */
  RAHAT_GATEWAY_REQUEST_TIMEOUT_SECONDS: z.coerce.number().min(1).max(3_600).default(60),
  /** So long a connection without a request is kept: longer than a proxy in front keeps it, or requests meet it just as it closes. */
  RAHAT_GATEWAY_KEEP_ALIVE_SECONDS: z.coerce.number().min(1).max(600).default(75),
  /** Who takes nothing of an answer for so long is cut off. */
  RAHAT_GATEWAY_STALLED_SECONDS: z.coerce.number().min(1).max(3_600).default(60),
  /** A service that took a request and says nothing for so long is stuck. */
  RAHAT_GATEWAY_ANSWER_TIMEOUT_SECONDS: z.coerce.number().min(0.1).max(3_600).default(120),
});
export type GatewayConfig = z.infer<typeof gatewayConfig>;
