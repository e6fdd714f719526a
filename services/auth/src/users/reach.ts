import { allows, covers, RahatError, type LimitedRole, type Principal, type Reach, type Role, type Scope } from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';
import { scopesOfKey } from '../authentication/key-scopes.js';

/** Who acts, and what they may do at this moment: a role that was taken away just now counts no more. */
export interface Caller extends Reach {
  user: string;
}

/** As memberships and invitations have it. */
export function limitedRole({ role, server_groups: serverGroups }: { role: Role; server_groups: string[] | null }): LimitedRole {
  return { role, serverGroups };
}

/** Lets changes of who belongs to an organization happen one after the other, each seeing what the last one left. Gives its name. */
export async function lockOrganization(transaction: Transaction, organization: string): Promise<string> {
  const [row] = await transaction.query<{ name: string }>(`SELECT name FROM organizations WHERE organization_id = $1 FOR NO KEY UPDATE`, [
    organization,
  ]);
  if (row === undefined) throw new RahatError('not_found', 'There is no such organization.');
  return row.name;
}

/** The person behind a session or an API key. Asked after `lockOrganization`, the answer stays true until the end of the transaction. */
export async function callerNow(transaction: Transaction, principal: Principal, needed: Scope): Promise<Caller> {
  const [member] = await transaction.query<{ user_id: string; role: Role; server_groups: string[] | null }>(
    principal.kind === 'user'
      ? `SELECT user_id, role, server_groups FROM memberships WHERE user_id = $1 AND organization_id = $2`
      : `SELECT m.user_id, m.role, m.server_groups FROM api_keys k JOIN memberships m ON m.user_id = k.created_by AND m.organization_id = k.organization_id
         WHERE k.id = $1 AND k.organization_id = $2 AND k.revoked_at IS NULL`,
    [principal.subject, principal.organization],
  );
  const scopes = member === undefined ? [] : scopesOfKey(principal.scopes, member.role);
  if (member === undefined || !allows({ scopes }, needed))
    throw new RahatError('forbidden', `You lack ${needed} in this organization.`, { hint: 'Your role was changed just now.' });
  return { user: member.user_id, scopes, serverGroups: member.server_groups };
}

/** `verb` says what the caller wanted with somebody of that role. */
export function demandReach(caller: Caller, other: LimitedRole, verb: string): void {
  if (covers(caller, other)) return;
  const further = covers({ ...caller, serverGroups: null }, other) ? 'its server groups reach' : 'that role reaches';
  throw new RahatError('forbidden', `You cannot ${verb} ${other.role}, because ${further} further than you do.`, {
    hint: 'Ask an owner of the organization.',
  });
}
