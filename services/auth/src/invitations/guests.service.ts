import { newId, NewPassword, RahatError, type AcceptedInvitation, type AcceptInvitation, type InvitationForGuest } from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { ServiceDatabase, Transaction } from '@rahat/persistence';
import { changesBetween } from '@rahat/service-kit';
import { accountByEmail, countTry, type Account } from '../passwords/accounts.js';
import { demandStrongPassword } from '../passwords/demand-strong-password.js';
import { forgiveAttempt } from '../passwords/login-failures.js';
import { hashPassword, passwordMatches } from '../passwords/password-hash.js';
import { tokenHash } from '../sessions/opaque-token.js';
import { authItself, recordActOf, type Who } from '../trail/trail.js';
import { lockOrganization } from '../users/reach.js';
import { SELECT_INVITATIONS, type InvitationRow } from './invitation-row.js';

interface Invited {
  invitation: InvitationRow;
  organization: string;
  account: Account | undefined;
}

/** Invitations as the invited sees them: whoever has the token, and no principal. */
export class GuestsService {
  constructor(
    private readonly database: ServiceDatabase,
    private readonly outbox: Outbox,
  ) {}

  async look(token: string): Promise<InvitationForGuest> {
    const { invitation, organization, account } = await this.invited(token);
    return {
      organization: { id: invitation.organization_id, name: organization },
      email: invitation.email,
      role: invitation.role,
      expiresAt: invitation.expires_at.toISOString(),
      accountExists: account !== undefined,
    };
  }

  /** A new person sets name and password; one who has an account proves its password, because the token was seen by others. */
  async accept(request: AcceptInvitation, address: string): Promise<AcceptedInvitation> {
    const invited = await this.invited(request.token);
    const { email } = invited.invitation;
    if (invited.account === undefined) {
      const { name, passwordHash } = await newAccount(request, invited);
      return this.join(request.token, undefined, address, async (transaction, organization) => {
        const user = newId('user');
        const made = await transaction.query(
          `INSERT INTO users (id, organization_id, email, name, password_hash) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING RETURNING id`,
          [user, organization, email, name, passwordHash],
        );
        if (made.length === 0)
          throw new RahatError('conflict', 'The e-mail got an account just now.', { hint: 'Accept with its password.' });
        return { id: user, name };
      });
    }
    const { account } = invited;
    await countTry(this.database, email, address);
    if (!(await passwordMatches(account.password_hash ?? undefined, request.password))) {
      await this.recordRefusal(invited, account, address);
      throw new RahatError('unauthenticated', 'The password is wrong.', {
        hint: 'This e-mail has an account already: give the password of that account.',
      });
    }
    return this.join(request.token, account, address, async (transaction) => {
      await forgiveAttempt(transaction, email, address);
      return { id: account.id, name: account.name };
    });
  }

  private async invited(token: string): Promise<Invited> {
    return this.database.asSystem('read an invitation', async (transaction) => {
      const invitation = await findOpen(transaction, token, false);
      const [organization] = await transaction.query<{ name: string }>(`SELECT name FROM organizations WHERE organization_id = $1`, [
        invitation.organization_id,
      ]);
      return { invitation, organization: organization!.name, account: await accountByEmail(transaction, invitation.email) };
    });
  }

  private async join(
    token: string,
    account: Account | undefined,
    address: string,
    userOf: (transaction: Transaction, organization: string) => Promise<{ id: string; name: string }>,
  ): Promise<AcceptedInvitation> {
    return this.database.asSystem('accept an invitation', async (transaction) => {
      // Before the invitation's own lock, as everywhere: first the organization, then what is in it.
      const { organization_id: organization } = await findOpen(transaction, token, false);
      const name = await lockOrganization(transaction, organization);
      const { id, email, role, server_groups: serverGroups } = await findOpen(transaction, token, true);
      const now = account === undefined ? undefined : await accountByEmail(transaction, email);
      if (now?.id !== account?.id || now?.password_hash !== account?.password_hash)
        throw new RahatError('conflict', 'The account was changed just now.', { hint: 'Try again.' });
      const user = await userOf(transaction, organization);
      const joined = await transaction.query(
        `INSERT INTO memberships (organization_id, user_id, role, server_groups) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING RETURNING user_id`,
        [organization, user.id, role, serverGroups],
      );
      if (joined.length === 0) throw new RahatError('conflict', 'You belong to this organization already.');
      await transaction.query(`UPDATE invitations SET accepted_at = now() WHERE id = $1`, [id]);
      const who: Who = { organization, actor: { kind: 'user', ...user, address } };
      await recordActOf(this.outbox, transaction, who, {
        action: 'user.joined',
        target: { kind: 'user', ...user },
        details: { ...changesBetween(undefined, { email, role, serverGroups }), invitation: id },
      });
      return { user: user.id, email, role, organization: { id: organization, name } };
    });
  }

  private async recordRefusal({ invitation }: Invited, account: Account, address: string): Promise<void> {
    await this.database.inOrganization(invitation.organization_id, (transaction) =>
      recordActOf(this.outbox, transaction, authItself(invitation.organization_id, address), {
        action: 'invitation.refused',
        target: { kind: 'invitation', id: invitation.id, name: invitation.email },
        details: { reason: 'Wrong password.', user: account.id },
      }),
    );
  }
}

async function newAccount(
  request: AcceptInvitation,
  { invitation, organization }: Invited,
): Promise<{ name: string; passwordHash: string }> {
  const { name } = request;
  if (name === undefined) throw new RahatError('invalid_input', 'name: your name is needed for a new account.');
  const password = NewPassword.parse(request.password);
  await demandStrongPassword(password, { email: invitation.email, name, organizations: [organization] });
  return { name, passwordHash: await hashPassword(password) };
}

async function findOpen(transaction: Transaction, token: string, lock: boolean): Promise<InvitationRow> {
  const [row] = await transaction.query<InvitationRow>(
    `${SELECT_INVITATIONS} WHERE i.token_hash = $1 AND i.accepted_at IS NULL AND i.revoked_at IS NULL AND i.expires_at > now() ${lock ? 'FOR UPDATE OF i' : ''}`,
    [tokenHash(token)],
  );
  if (row === undefined) throw new RahatError('link_invalid', 'This invitation is wrong, already used, revoked, or older than seven days.');
  return row;
}
