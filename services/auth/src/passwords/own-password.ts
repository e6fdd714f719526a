import { RahatError, type ChangePassword, type Principal } from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { ServiceDatabase } from '@rahat/persistence';
import { actorOf } from '@rahat/service-kit';
import { userOf } from '../sessions/session-overview.js';
import { endSessions } from '../users/departure.js';
import { accountById, countTry, recordInEach } from './accounts.js';
import { demandStrongPassword } from './demand-strong-password.js';
import { forgiveAttempt } from './login-failures.js';
import { hashPassword, passwordMatches } from './password-hash.js';

export class OwnPassword {
  constructor(
    private readonly database: ServiceDatabase,
    private readonly outbox: Outbox,
  ) {}

  /** Needs the present one: a session that somebody else got hold of must not become an account. Ends all other sessions. */
  async change(principal: Principal, request: ChangePassword): Promise<void> {
    const user = userOf(principal);
    const account = await this.database.asSystem('read an account', (transaction) => accountById(transaction, user));
    if (account === undefined) throw new RahatError('not_found', 'There is no such account any more.');
    await countTry(this.database, account.email, principal.address);
    if (!(await passwordMatches(account.password_hash ?? undefined, request.currentPassword)))
      throw new RahatError('forbidden', 'The present password is wrong.');
    // Whatever is wrong with the new one: this was no guess.
    await this.database.asSystem('forgive a try', (transaction) => forgiveAttempt(transaction, account.email, principal.address));
    if (request.newPassword === request.currentPassword)
      throw new RahatError('password_refused', 'The new password is the present one.', { hint: 'Take another one.' });
    await demandStrongPassword(request.newPassword, { ...account, organizations: account.organizations.map(({ name }) => name) });
    const hash = await hashPassword(request.newPassword);
    await this.database.asSystem('change a password', async (transaction) => {
      // Only from the one that was proven: of two changes at once the second one has proven nothing any more.
      const changed = await transaction.query(`UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2 RETURNING id`, [
        user,
        account.password_hash,
        hash,
      ]);
      if (changed.length === 0) throw new RahatError('conflict', 'The password was changed just now by another request.');
      const ended = await endSessions(transaction, { user, except: principal.session, because: 'password changed' });
      await transaction.query(`UPDATE password_resets SET used_at = now() WHERE user_id = $1 AND used_at IS NULL`, [user]);
      await recordInEach(this.outbox, transaction, account, actorOf(principal), {
        action: 'password.changed',
        target: { kind: 'user', id: user, name: account.name },
        details: { endedSessions: ended },
      });
    });
  }
}
