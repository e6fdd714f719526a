import { newId, type TokenPair } from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';
import { ACCESS_TOKEN_SECONDS, signAccessToken } from '../signing-keys/access-token.js';
import type { Signer } from '../signing-keys/signing-keys.js';
import { COOKIE_PREFIX, newOpaqueToken, REFRESH_PREFIX, tokenHash } from './opaque-token.js';

export const SESSION_DAYS = 30;
const MOST_OF_USER_AGENT = 300;

export interface StartedSession {
  session: string;
  tokens: TokenPair;
  cookie: string;
}

/** How somebody came in. */
export type LogInMethod = 'set-up' | 'password' | 'passkey' | 'sign-on' | 'device';

export interface SessionOwner {
  id: string;
  organization: string;
  address: string;
  userAgent?: string;
  /** Default: a password. */
  method?: LogInMethod;
  /** Whether a second factor was shown; default: none was. */
  secondFactor?: boolean;
  /** Whether its owner proved who they are just now; a device that somebody else let in did not. Default: they did. */
  provenNow?: boolean;
}

/** Starts a session and gives everything that proves it; only hashes stay behind. */
export async function startSession(transaction: Transaction, signer: Signer, user: SessionOwner): Promise<StartedSession> {
  const session = newId('session');
  const cookie = newOpaqueToken(COOKIE_PREFIX);
  await transaction.query(
    `INSERT INTO sessions (id, organization_id, user_id, cookie_hash, address, user_agent, method, second_factor, proven_at, expires_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, CASE WHEN $9 THEN now() ELSE '-infinity' END, now() + make_interval(days => $10))`,
    [
      session,
      user.organization,
      user.id,
      tokenHash(cookie),
      user.address,
      user.userAgent?.slice(0, MOST_OF_USER_AGENT) ?? null,
      user.method ?? 'password',
      user.secondFactor ?? false,
      user.provenNow ?? true,
      SESSION_DAYS,
    ],
  );
  return { session, cookie, tokens: await issueTokens(transaction, signer, { session, user: user.id, organization: user.organization }) };
}

export async function issueTokens(
  transaction: Transaction,
  signer: Signer,
  of: { session: string; user: string; organization: string },
): Promise<TokenPair> {
  const refreshToken = newOpaqueToken(REFRESH_PREFIX);
  await transaction.query(`INSERT INTO refresh_tokens (hash, organization_id, session_id) VALUES ($1, $2, $3)`, [
    tokenHash(refreshToken),
    of.organization,
    of.session,
  ]);
  const accessToken = await signAccessToken(of, signer);
  return { accessToken, expiresInSeconds: ACCESS_TOKEN_SECONDS, refreshToken };
}
