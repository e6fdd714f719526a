import { RahatError, type Principal, type Scope } from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';
import { callerNow, lockOrganization } from '../users/reach.js';

const FRESH_MINUTES = 10;

/** The session of a logged-in person; keys and services have none. */
export function personalSession(principal: Principal): string {
  if (principal.kind !== 'user' || principal.session === undefined)
    throw new RahatError('forbidden', 'Only a logged-in user can do this.', { hint: 'An API key cannot.' });
  return principal.session;
}

/** A session that was left open, or stolen, must not be enough to change how its user proves who they are. */
export async function demandFreshProof(transaction: Transaction, principal: Principal): Promise<void> {
  const fresh = await transaction.query(
    `SELECT FROM sessions WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL AND proven_at > now() - make_interval(mins => $3)`,
    [personalSession(principal), principal.subject, FRESH_MINUTES],
  );
  if (fresh.length === 0) throw new RahatError('fresh_proof_needed', 'Prove again who you are, then repeat this.');
}

/** For what decides who comes in: a person with a fresh proof, whose role gives them the right at this moment. Locks the organization. */
export async function demandPresentRight(transaction: Transaction, principal: Principal, needed: Scope): Promise<void> {
  await demandFreshProof(transaction, principal);
  await lockOrganization(transaction, principal.organization);
  await callerNow(transaction, principal, needed);
}
