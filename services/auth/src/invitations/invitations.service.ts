import {
  newId,
  RahatError,
  type CreatedInvitation,
  type CreateInvitation,
  type Invitation,
  type Page,
  type PageQuery,
  type Principal,
} from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { ServiceDatabase, Transaction } from '@rahat/persistence';
import { changesBetween, ListPages, recordAct, type Changes, type Cursors } from '@rahat/service-kit';
import { INVITATION_PREFIX, newOpaqueToken, tokenHash } from '../sessions/opaque-token.js';
import { callerNow, demandReach, limitedRole, lockOrganization, type Caller } from '../users/reach.js';
import { presentInvitation, SELECT_INVITATIONS, type InvitationRow } from './invitation-row.js';

const DAYS = 7;

/** Invitations as the organization that gives them sees them. */
export class InvitationsService {
  private readonly pages: ListPages;

  constructor(
    private readonly database: ServiceDatabase,
    private readonly outbox: Outbox,
    cursors: Cursors,
  ) {
    this.pages = new ListPages(cursors, 'invitations');
  }

  /** There is no mail: who invites hands the token over. An open invitation of the same e-mail gives way to the new one. */
  async create(principal: Principal, { email, role, serverGroups }: CreateInvitation): Promise<CreatedInvitation> {
    const { organization } = principal;
    const token = newOpaqueToken(INVITATION_PREFIX);
    return this.database.inOrganization(organization, async (transaction) => {
      await lockOrganization(transaction, organization);
      const caller = await callerNow(transaction, principal, 'user:write');
      demandReach(caller, { role, serverGroups }, 'invite an');
      const members = await transaction.query(
        `SELECT FROM memberships m JOIN users u ON u.id = m.user_id WHERE m.organization_id = $1 AND lower(u.email) = lower($2)`,
        [organization, email],
      );
      if (members.length > 0) throw new RahatError('conflict', `${email} belongs to your organization already.`);
      await this.replaceOpen(transaction, principal, caller, email);
      const id = newId('invitation');
      await transaction.query(
        `INSERT INTO invitations (id, organization_id, email, role, token_hash, invited_by, expires_at, server_groups) VALUES ($1, $2, $3, $4, $5, $6, now() + make_interval(days => $7), $8)`,
        [id, organization, email, role, tokenHash(token), caller.user, DAYS, serverGroups],
      );
      const invitation = presentInvitation(await find(transaction, principal, id));
      await this.record(transaction, principal, 'invitation.created', invitation, changesBetween(undefined, invitation));
      return { ...invitation, token };
    });
  }

  async list(principal: Principal, page: PageQuery): Promise<Page<Invitation>> {
    const [before = null] = this.pages.after(page.cursor);
    const rows = await this.database.inOrganization(principal.organization, (transaction) =>
      transaction.query<InvitationRow>(
        `${SELECT_INVITATIONS} WHERE i.organization_id = $1 AND ${WITHIN_GROUPS} AND ($3::text IS NULL OR i.id < $3) ORDER BY i.id DESC LIMIT $4`,
        [principal.organization, principal.serverGroups, before, page.limit + 1],
      ),
    );
    return this.pages.page(rows, page.limit, presentInvitation, (row) => [row.id]);
  }

  async revoke(principal: Principal, id: string): Promise<void> {
    await this.database.inOrganization(principal.organization, async (transaction) => {
      await lockOrganization(transaction, principal.organization);
      const caller = await callerNow(transaction, principal, 'user:write');
      const row = await find(transaction, principal, id);
      if (row.state === 'revoked' || row.state === 'expired') return;
      if (row.state === 'accepted')
        throw new RahatError('conflict', `${row.email} has accepted this invitation.`, { hint: 'Remove the user instead.' });
      await this.revokeOpen(transaction, principal, caller, row);
    });
  }

  private async replaceOpen(transaction: Transaction, principal: Principal, caller: Caller, email: string): Promise<void> {
    const [open] = await transaction.query<InvitationRow>(
      `${SELECT_INVITATIONS} WHERE i.organization_id = $1 AND lower(i.email) = lower($2) AND i.accepted_at IS NULL AND i.revoked_at IS NULL`,
      [principal.organization, email],
    );
    if (open !== undefined) await this.revokeOpen(transaction, principal, caller, open);
  }

  private async revokeOpen(transaction: Transaction, principal: Principal, caller: Caller, row: InvitationRow): Promise<void> {
    demandReach(caller, limitedRole(row), 'revoke the invitation of an');
    await transaction.query(`UPDATE invitations SET revoked_at = now() WHERE id = $1`, [row.id]);
    const revoked = await find(transaction, principal, row.id);
    const changes = changesBetween(presentInvitation(row), presentInvitation(revoked));
    await this.record(transaction, principal, 'invitation.revoked', row, changes);
  }

  private async record(
    transaction: Transaction,
    principal: Principal,
    action: string,
    invitation: { id: string; email: string },
    changes: Changes,
  ): Promise<void> {
    await recordAct(this.outbox, transaction, principal, {
      action,
      target: { kind: 'invitation', id: invitation.id, name: invitation.email },
      details: { ...changes },
    });
  }
}

/** Those of whom somebody with the server groups `$2` may know; null: all. */
const WITHIN_GROUPS = `($2::text[] IS NULL OR i.server_groups <@ $2)`;

async function find(transaction: Transaction, { organization, serverGroups }: Principal, id: string): Promise<InvitationRow> {
  const [row] = await transaction.query<InvitationRow>(
    `${SELECT_INVITATIONS} WHERE i.organization_id = $1 AND ${WITHIN_GROUPS} AND i.id = $3`,
    [organization, serverGroups, id],
  );
  if (row === undefined) throw new RahatError('not_found', 'There is no such invitation.');
  return row;
}
