import { newId, RahatError, type Principal, type ResetLink, type ResetPassword } from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { ServiceDatabase, Transaction } from '@rahat/persistence';
import { recordAct } from '@rahat/service-kit';
import { newOpaqueToken, RESET_PREFIX, tokenHash } from '../sessions/opaque-token.js';
import { endSessions } from '../users/departure.js';
import { CONSOLE, demandOnlyHere, memberToLetIn } from '../users/way-back.js';
import { accountByEmail, accountById, recordInEach, type Account } from './accounts.js';
import { demandStrongPassword } from './demand-strong-password.js';
import { forgetFailures } from './login-failures.js';
import { hashPassword } from './password-hash.js';

const HOURS = 1;

interface OpenReset {
  id: string;
  organization_id: string | null;
  user_id: string;
}

/** Links by which somebody sets a new password without the present one. There is no mail: who makes a link hands it over. */
export class PasswordResets {
  constructor(
    private readonly database: ServiceDatabase,
    private readonly outbox: Outbox,
  ) {}

  async issue(principal: Principal, user: string): Promise<ResetLink> {
    return this.database.asSystem('make a reset link', async (transaction) => {
      const account = await memberToLetIn(transaction, principal, user, {
        verb: 'reset the password of an',
        himself: new RahatError('conflict', 'You cannot make a reset link for yourself.', {
          hint: 'Change your password with the present one, or ask another owner or admin.',
        }),
      });
      const link = await insert(transaction, account, principal.organization);
      await recordAct(this.outbox, transaction, principal, {
        action: 'password.reset_link_made',
        target: { kind: 'user', id: user, name: account.name },
        details: { expiresAt: link.expiresAt },
      });
      return link;
    });
  }

  /** For the console of the machine: asks for no right, because who can read the keys and the database has all of them. */
  async issueOnConsole(email: string): Promise<ResetLink> {
    return this.database.asSystem('make a reset link on the console', async (transaction) => {
      const account = await accountByEmail(transaction, email);
      if (account === undefined) throw new RahatError('not_found', `There is no user with the e-mail ${email}.`);
      await forgetFailures(transaction, account.email);
      const link = await insert(transaction, account, null);
      await recordInEach(this.outbox, transaction, account, CONSOLE, {
        action: 'password.reset_link_made',
        target: { kind: 'user', id: account.id, name: account.name },
        details: { expiresAt: link.expiresAt },
      });
      return link;
    });
  }

  /** Sets the password, ends all sessions of the user, and lets nobody wait who was locked out by failures. */
  async use({ token, password }: ResetPassword, address?: string): Promise<void> {
    const hash = tokenHash(token);
    const account = await this.database.asSystem('read a reset link', async (transaction) => {
      const reset = await findOpen(transaction, hash);
      return demandUsable(reset, await accountById(transaction, reset.user_id));
    });
    await demandStrongPassword(password, { ...account, organizations: account.organizations.map(({ name }) => name) });
    const passwordHash = await hashPassword(password);
    await this.database.asSystem('reset a password', async (transaction) => {
      const reset = await findOpen(transaction, hash);
      await transaction.query(`SELECT FROM users WHERE id = $1 FOR UPDATE`, [reset.user_id]);
      const now = demandUsable(reset, await accountById(transaction, reset.user_id));
      await transaction.query(`UPDATE users SET password_hash = $2 WHERE id = $1`, [now.id, passwordHash]);
      await transaction.query(`UPDATE password_resets SET used_at = now() WHERE user_id = $1 AND used_at IS NULL`, [now.id]);
      await forgetFailures(transaction, now.email);
      const ended = await endSessions(transaction, { user: now.id, because: 'password reset' });
      const actor = { kind: 'user' as const, id: now.id, name: now.name, address };
      await recordInEach(this.outbox, transaction, now, actor, {
        action: 'password.reset',
        target: { kind: 'user', id: now.id, name: now.name },
        details: { endedSessions: ended },
      });
    });
  }
}

/** The row lock makes of two simultaneous uses a first and a second one. */
async function findOpen(transaction: Transaction, hash: Buffer): Promise<OpenReset> {
  const [reset] = await transaction.query<OpenReset>(
    `SELECT id, organization_id, user_id FROM password_resets WHERE token_hash = $1 AND used_at IS NULL AND expires_at > now() FOR UPDATE`,
    [hash],
  );
  if (reset === undefined) throw wrongLink();
  return reset;
}

/** They may have joined another organization since the link was made. */
function demandUsable(reset: OpenReset, account: Account | undefined): Account {
  if (account === undefined) throw wrongLink();
  if (reset.organization_id !== null) demandOnlyHere(account, reset.organization_id);
  return account;
}

async function insert(transaction: Transaction, account: Account, organization: string | null): Promise<ResetLink> {
  await transaction.query(
    `UPDATE password_resets SET used_at = now() WHERE user_id = $1 AND used_at IS NULL AND organization_id IS NOT DISTINCT FROM $2`,
    [account.id, organization],
  );
  await transaction.query(`DELETE FROM password_resets WHERE expires_at < now() - interval '7 days'`);
  const token = newOpaqueToken(RESET_PREFIX);
  const [row] = await transaction.query<{ expires_at: Date }>(
    `INSERT INTO password_resets (id, organization_id, user_id, token_hash, expires_at) VALUES ($1, $2, $3, $4, now() + make_interval(hours => $5)) RETURNING expires_at`,
    [newId('passwordReset'), organization, account.id, tokenHash(token), HOURS],
  );
  return { user: account.id, token, expiresAt: row!.expires_at.toISOString() };
}

function wrongLink(): RahatError {
  return new RahatError('link_invalid', 'This reset link is wrong, already used, or older than an hour.');
}
