import { coversGroups, RahatError, type Actor, type Principal, type Role } from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';
import { accountById, type Account } from '../passwords/accounts.js';
import { callerNow, demandReach, limitedRole, lockOrganization } from './reach.js';

/** Whoever sits at the machine; there is no user behind it. */
export const CONSOLE: Actor = { kind: 'system', id: 'console', name: 'console of the machine' };

/** The member whom the caller may give a way back in. `himself` is the refusal to do so for oneself, `verb` what is refused beyond one's reach. */
export async function memberToLetIn(
  transaction: Transaction,
  principal: Principal,
  user: string,
  { verb, himself }: { verb: string; himself: RahatError },
): Promise<Account> {
  await lockOrganization(transaction, principal.organization);
  const caller = await callerNow(transaction, principal, 'user:write');
  const [member] = await transaction.query<{ role: Role; server_groups: string[] | null }>(
    `SELECT role, server_groups FROM memberships WHERE organization_id = $1 AND user_id = $2`,
    [principal.organization, user],
  );
  const account = await accountById(transaction, user);
  if (member === undefined || account === undefined || !coversGroups(caller.serverGroups, member.server_groups))
    throw new RahatError('not_found', 'There is no such user in your organization.');
  if (caller.user === user) throw himself;
  demandReach(caller, limitedRole(member), verb);
  demandOnlyHere(account, principal.organization);
  return account;
}

/** One organization must not get into another one by the password of somebody who belongs to both. */
export function demandOnlyHere(account: Account, organization: string): void {
  if (account.organizations.some(({ id }) => id !== organization))
    throw new RahatError('conflict', 'This user belongs to other organizations as well, so none of them can reset how they log in.', {
      hint: 'They can do it themselves; else `rahat-backup admin` on the machine of the platform.',
    });
}
