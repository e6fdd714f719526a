import { RahatError, type Actor, type Principal } from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { ServiceDatabase, Transaction } from '@rahat/persistence';
import { actorOf } from '@rahat/service-kit';
import { accountByEmail, recordInEach, type Account } from '../passwords/accounts.js';
import { forgetFailures } from '../passwords/login-failures.js';
import { secondFactorAccount } from '../sessions/log-in.service.js';
import { endSessions } from '../users/departure.js';
import { CONSOLE, memberToLetIn } from '../users/way-back.js';
import { demandFreshProof } from './fresh-proof.js';

/** For somebody who has lost all of their second factors: others take them away, and the password is the way in again. */
export class LostFactors {
  constructor(
    private readonly database: ServiceDatabase,
    private readonly outbox: Outbox,
  ) {}

  /** Only by a person who proved who they are: with it and a reset link, one person becomes another one. */
  async removeOfMember(principal: Principal, user: string): Promise<void> {
    await this.database.asSystem('remove the second factors of a member', async (transaction) => {
      await demandFreshProof(transaction, principal);
      const account = await memberToLetIn(transaction, principal, user, {
        verb: 'remove the second factors of an',
        himself: new RahatError('conflict', 'These are your own second factors.', { hint: 'Remove them one by one, as what is yours.' }),
      });
      await this.remove(transaction, account, actorOf(principal));
    });
  }

  /** For the console of the machine: asks for no right, because who can read the keys and the database has all of them. */
  async removeOnConsole(email: string): Promise<{ user: string }> {
    return this.database.asSystem('remove second factors on the console', async (transaction) => {
      const account = await accountByEmail(transaction, email);
      if (account === undefined) throw new RahatError('not_found', `There is no user with the e-mail ${email}.`);
      await this.remove(transaction, account, CONSOLE);
      return { user: account.id };
    });
  }

  /** Whoever found the lost device has no session to go on with. */
  private async remove(transaction: Transaction, account: Account, actor: Actor): Promise<void> {
    for (const table of ['totp_factors', 'passkeys', 'recovery_codes', 'login_challenges'])
      await transaction.query(`DELETE FROM ${table} WHERE user_id = $1`, [account.id]);
    await forgetFailures(transaction, secondFactorAccount(account.id));
    const endedSessions = await endSessions(transaction, { user: account.id, because: 'second factors removed' });
    await recordInEach(this.outbox, transaction, account, actor, {
      action: 'second_factors.removed',
      target: { kind: 'user', id: account.id, name: account.name },
      details: { endedSessions },
    });
  }
}
