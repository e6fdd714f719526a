import { allows, covers, ROLE_SCOPES, type LimitedRole, type Role } from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';
import { limitedRole } from './reach.js';

/** All by which a member could still act in an organization, or by which others could act in their name. */
export async function endEverythingOf(
  transaction: Transaction,
  organization: string,
  user: string,
): Promise<{ endedSessions: number; revokedKeys: number; revokedInvitations: number }> {
  const endedSessions = await endSessions(transaction, { user, organization, because: 'removed from the organization' });
  const keys = await transaction.query(
    `UPDATE api_keys SET revoked_at = now() WHERE organization_id = $1 AND created_by = $2 AND revoked_at IS NULL RETURNING id`,
    [organization, user],
  );
  await transaction.query(`UPDATE password_resets SET used_at = now() WHERE organization_id = $1 AND user_id = $2 AND used_at IS NULL`, [
    organization,
    user,
  ]);
  const revokedInvitations = await revokeInvitations(transaction, organization, user, () => true);
  return { endedSessions, revokedKeys: keys.length, revokedInvitations };
}

/** Ends the user's sessions: of one organization or all, but for the one named. Gives how many. */
export async function endSessions(
  transaction: Transaction,
  { user, organization, except, because }: { user: string; organization?: string; except?: string; because: string },
): Promise<number> {
  const ended = await transaction.query(
    `UPDATE sessions SET revoked_at = now(), revoked_because = $4
     WHERE user_id = $1 AND ($2::text IS NULL OR organization_id = $2) AND ($3::text IS NULL OR id <> $3) AND revoked_at IS NULL AND expires_at > now() RETURNING id`,
    [user, organization ?? null, except ?? null, because],
  );
  return ended.length;
}

/** Who may not give a role any more has not given it either, as long as nobody took it. */
export async function revokeInvitationsBeyond(
  transaction: Transaction,
  organization: string,
  user: string,
  now: LimitedRole,
): Promise<number> {
  const scopes = ROLE_SCOPES[now.role];
  const mayInvite = allows({ scopes: [...scopes] }, 'user:write');
  return revokeInvitations(
    transaction,
    organization,
    user,
    (given) => !mayInvite || !covers({ scopes, serverGroups: now.serverGroups }, given),
  );
}

async function revokeInvitations(
  transaction: Transaction,
  organization: string,
  user: string,
  which: (given: LimitedRole) => boolean,
): Promise<number> {
  const open = await transaction.query<{ id: string; role: Role; server_groups: string[] | null }>(
    `SELECT id, role, server_groups FROM invitations WHERE organization_id = $1 AND invited_by = $2 AND accepted_at IS NULL AND revoked_at IS NULL FOR UPDATE`,
    [organization, user],
  );
  const revoked = open.filter((invitation) => which(limitedRole(invitation))).map(({ id }) => id);
  await transaction.query(`UPDATE invitations SET revoked_at = now() WHERE id = ANY ($1)`, [revoked]);
  return revoked.length;
}

/**
 * Log-ins enter another of their organizations from now on. Who belongs to none is no user any more: the e-mail becomes free,
 * and the row that is left names the maker of keys. As system, because other organizations' memberships are asked for.
 */
export async function leaveHome(transaction: Transaction, organization: string, user: string): Promise<void> {
  // Removed from two organizations at once, neither of which sees the other: the row lock makes it one after the other.
  await transaction.query(`SELECT FROM users WHERE id = $1 FOR UPDATE`, [user]);
  const [next] = await transaction.query<{ organization_id: string }>(
    `SELECT organization_id FROM memberships WHERE user_id = $1 ORDER BY created_at, organization_id LIMIT 1`,
    [user],
  );
  if (next === undefined) await transaction.query(`UPDATE users SET email = NULL, password_hash = NULL WHERE id = $1`, [user]);
  else
    await transaction.query(`UPDATE users SET organization_id = $3 WHERE id = $1 AND organization_id = $2`, [
      user,
      organization,
      next.organization_id,
    ]);
}
