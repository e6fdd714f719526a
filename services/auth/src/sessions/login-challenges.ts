import type { Transaction } from '@rahat/persistence';
import { CHALLENGE_PREFIX, newOpaqueToken, tokenHash } from './opaque-token.js';
import type { LogInMethod } from './session-issuer.js';

export const CHALLENGE_SECONDS = 300;
/** Beyond them the log-in begins again, at its first proof. */
const MOST_TRIES = 5;

/** Whose second factor is waited for. */
export interface ChallengedUser {
  id: string;
  organization: string;
  name: string;
  /** Of the first proof. */
  method: LogInMethod;
}

interface Row {
  user_id: string;
  organization_id: string;
  name: string;
  method: LogInMethod;
}

/** Tells that the first proof was right, and nothing more: it opens no session, and no door of the API. */
export async function issueChallenge(
  transaction: Transaction,
  user: { id: string; organization: string },
  method: LogInMethod,
): Promise<string> {
  const challenge = newOpaqueToken(CHALLENGE_PREFIX);
  await transaction.query(`DELETE FROM login_challenges WHERE expires_at < now()`);
  await transaction.query(
    `INSERT INTO login_challenges (hash, organization_id, user_id, method, expires_at) VALUES ($1, $2, $3, $4, now() + make_interval(secs => $5))`,
    [tokenHash(challenge), user.organization, user.id, method, CHALLENGE_SECONDS],
  );
  return challenge;
}

/** Undefined when it never was, is over, or was answered. */
export async function findChallenge(transaction: Transaction, challenge: string): Promise<ChallengedUser | undefined> {
  const [row] = await transaction.query<Row>(
    `SELECT c.user_id, c.organization_id, c.method, u.name FROM login_challenges c JOIN users u ON u.id = c.user_id
     JOIN memberships m ON m.user_id = c.user_id AND m.organization_id = c.organization_id
     WHERE c.hash = $1 AND c.used_at IS NULL AND c.expires_at > now() AND c.tries < $2`,
    [tokenHash(challenge), MOST_TRIES],
  );
  return row && { id: row.user_id, organization: row.organization_id, name: row.name, method: row.method };
}

/** Counts a try and locks the challenge until the transaction ends, so that simultaneous answers come one after the other. */
export async function tryChallenge(transaction: Transaction, challenge: string): Promise<boolean> {
  const tried = await transaction.query(
    `UPDATE login_challenges SET tries = tries + 1 WHERE hash = $1 AND used_at IS NULL AND expires_at > clock_timestamp() AND tries < $2 RETURNING hash`,
    [tokenHash(challenge), MOST_TRIES],
  );
  return tried.length > 0;
}

export async function endChallenge(transaction: Transaction, challenge: string): Promise<void> {
  await transaction.query(`UPDATE login_challenges SET used_at = now() WHERE hash = $1`, [tokenHash(challenge)]);
}
