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

/** Starts a session and gives everything that proves it; only hashes stay behind. */
export async function startSession(
  transaction: Transaction,
  signer: Signer,
  user: { id: string; organization: string; address: string; userAgent?: string },
): Promise<StartedSession> {
  const session = newId('session');
  const cookie = newOpaqueToken(COOKIE_PREFIX);
  await transaction.query(
    `INSERT INTO sessions (id, organization_id, user_id, cookie_hash, address, user_agent, expires_at) VALUES ($1, $2, $3, $4, $5, $6, now() + make_interval(days => $7))`,
    [
      session,
      user.organization,
      user.id,
      tokenHash(cookie),
      user.address,
      user.userAgent?.slice(0, MOST_OF_USER_AGENT) ?? null,
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
