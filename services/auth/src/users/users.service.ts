import { isDeepStrictEqual } from 'node:util';
import { LIMITABLE_ROLES, RahatError, type Page, type PageQuery, type Principal, type UpdateUser, type User } from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { ServiceDatabase, Transaction } from '@rahat/persistence';
import { changesBetween, ListPages, recordAct, whatever, type Cursors, type Expected } from '@rahat/service-kit';
import { endEverythingOf, revokeInvitationsBeyond, leaveHome } from './departure.js';
import { callerNow, demandReach, limitedRole, lockOrganization } from './reach.js';
import { presentUser, SELECT_MEMBERS, type UserRow } from './user-row.js';

/** The members of an organization, and what they are in it. */
export class UsersService {
  private readonly pages: ListPages;

  constructor(
    private readonly database: ServiceDatabase,
    private readonly outbox: Outbox,
    cursors: Cursors,
  ) {
    this.pages = new ListPages(cursors, 'users');
  }

  async list(principal: Principal, page: PageQuery): Promise<Page<User>> {
    const [after = null] = this.pages.after(page.cursor);
    const rows = await this.database.inOrganization(principal.organization, (transaction) =>
      transaction.query<UserRow>(`${SELECT_MEMBERS} AND ($3::text IS NULL OR m.user_id > $3) ORDER BY m.user_id LIMIT $4`, [
        principal.organization,
        principal.serverGroups,
        after,
        page.limit + 1,
      ]),
    );
    return this.pages.page(rows, page.limit, presentUser, (row) => [row.id]);
  }

  async get(principal: Principal, id: string): Promise<User> {
    return presentUser(await this.database.inOrganization(principal.organization, (transaction) => find(transaction, principal, id)));
  }

  async setRole(principal: Principal, id: string, request: UpdateUser, expected: Expected = whatever): Promise<User> {
    return this.database.inOrganization(principal.organization, async (transaction) => {
      await lockOrganization(transaction, principal.organization);
      const caller = await callerNow(transaction, principal, 'user:write');
      const before = await find(transaction, principal, id);
      expected(presentUser(before));
      const { role, serverGroups = before.server_groups } = request;
      if (serverGroups !== null && !LIMITABLE_ROLES.includes(role))
        throw new RahatError('invalid_input', `The member is limited to server groups, and an ${role} is for the whole organization.`, {
          hint: 'Lift the limit with it: serverGroups null.',
        });
      demandReach(caller, limitedRole(before), 'change an');
      demandReach(caller, { role, serverGroups }, 'make somebody');
      const after = presentUser({ ...before, role, server_groups: serverGroups });
      if (before.role === role && isDeepStrictEqual(before.server_groups, serverGroups)) return after;
      if (before.role === 'owner' && role !== 'owner') await demandAnotherOwner(transaction, principal.organization, id);
      await transaction.query(`UPDATE memberships SET role = $3, server_groups = $4 WHERE organization_id = $1 AND user_id = $2`, [
        principal.organization,
        id,
        role,
        serverGroups,
      ]);
      await revokeInvitationsBeyond(transaction, principal.organization, id, { role, serverGroups });
      await this.record(transaction, principal, 'user.role_changed', before, { ...changesBetween(presentUser(before), after) });
      return after;
    });
  }

  /** Ends their sessions here and the keys they made, too. Across organizations, because it depends on the others where they belong now. */
  async remove(principal: Principal, id: string, expected: Expected = whatever): Promise<void> {
    await this.database.asSystem('remove a user from an organization', async (transaction) => {
      await lockOrganization(transaction, principal.organization);
      const caller = await callerNow(transaction, principal, 'user:write');
      const before = await find(transaction, principal, id);
      expected(presentUser(before));
      demandReach(caller, limitedRole(before), 'remove an');
      if (before.role === 'owner') await demandAnotherOwner(transaction, principal.organization, id);
      const ended = await endEverythingOf(transaction, principal.organization, id);
      await transaction.query(`DELETE FROM memberships WHERE organization_id = $1 AND user_id = $2`, [principal.organization, id]);
      await leaveHome(transaction, principal.organization, id);
      await this.record(transaction, principal, 'user.removed', before, { ...changesBetween(presentUser(before), undefined), ...ended });
    });
  }

  private async record(
    transaction: Transaction,
    principal: Principal,
    action: string,
    user: UserRow,
    details: Record<string, unknown>,
  ): Promise<void> {
    await recordAct(this.outbox, transaction, principal, {
      action,
      target: { kind: 'user', id: user.id, name: user.name },
      details,
    });
  }
}

async function find(transaction: Transaction, principal: Principal, id: string): Promise<UserRow> {
  const [row] = await transaction.query<UserRow>(`${SELECT_MEMBERS} AND m.user_id = $3`, [
    principal.organization,
    principal.serverGroups,
    id,
  ]);
  if (row === undefined) throw new RahatError('not_found', 'There is no such user in your organization.');
  return row;
}

async function demandAnotherOwner(transaction: Transaction, organization: string, user: string): Promise<void> {
  const others = await transaction.query(
    `SELECT FROM memberships WHERE organization_id = $1 AND role = 'owner' AND user_id <> $2 LIMIT 1`,
    [organization, user],
  );
  if (others.length === 0) throw new RahatError('last_owner', 'This is the only owner of the organization.');
}
