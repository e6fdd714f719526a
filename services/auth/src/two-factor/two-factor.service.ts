import {
  RahatError,
  type ConfirmedTotp,
  type FreshProof,
  type Principal,
  type SecondFactorState,
  type TotpEnrolment,
} from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { ServiceDatabase, Transaction } from '@rahat/persistence';
import { recordAct } from '@rahat/service-kit';
import { forgiveAttempt, reserveTry } from '../passwords/login-failures.js';
import { passwordMatches } from '../passwords/password-hash.js';
import { secondFactorAccount } from '../sessions/log-in.service.js';
import { demandFreshProof, personalSession } from './fresh-proof.js';
import { makeRecoveryCodes } from './recovery-codes.js';
import { methodsOf, type EnrolledFactors, type SecondFactors } from './second-factors.js';
import { newTotpSecret } from './totp.js';

export type Refusal = { outcome: 'refused' } | { outcome: 'wait'; seconds: number };

/** What users do with their own second factors. */
export class TwoFactorService {
  constructor(
    private readonly database: ServiceDatabase,
    private readonly outbox: Outbox,
    private readonly factors: SecondFactors,
  ) {}

  async state(principal: Principal): Promise<SecondFactorState> {
    return this.database.inOrganization(principal.organization, async (transaction) => {
      const factors = await this.factors.enrolled(transaction, principal.subject);
      return {
        totpSince: factors.totpSince?.toISOString() ?? null,
        passkeys: factors.passkeys,
        recoveryCodesLeft: factors.recoveryCodesLeft,
        required: await isRequired(transaction, principal.organization),
        mustEnrol: principal.mustEnrol ?? false,
      };
    });
  }

  async enrolTotp(principal: Principal): Promise<TotpEnrolment> {
    return this.database.inOrganization(principal.organization, async (transaction) => {
      await demandFreshProof(transaction, principal);
      const [user] = await transaction.query<{ email: string }>(`SELECT email FROM users WHERE id = $1`, [principal.subject]);
      if (user === undefined) throw new RahatError('not_found', 'There is no such user.');
      const enrolment = await newTotpSecret(user.email);
      if (!(await this.factors.keepTotpSecret(transaction, principal.subject, enrolment.secret)))
        throw new RahatError('conflict', 'You have an authenticator app already.', { hint: 'Remove it first.' });
      return enrolment;
    });
  }

  /** A code of the new app proves that it has the secret; only then does it count. */
  async confirmTotp(principal: Principal, code: string): Promise<{ outcome: 'confirmed'; answer: ConfirmedTotp } | Refusal> {
    const seconds = await this.reserve(principal);
    if (seconds > 0) return { outcome: 'wait', seconds };
    return this.database.inOrganization(principal.organization, async (transaction) => {
      await demandFreshProof(transaction, principal);
      if (!(await this.factors.useCode(transaction, principal.subject, code, 'unconfirmed'))) {
        await this.record(transaction, principal, 'second_factor.refused', { kind: 'totp' });
        return { outcome: 'refused' as const };
      }
      await this.forgive(transaction, principal);
      const recoveryCodes = await this.welcomeFactor(transaction, principal);
      await this.record(transaction, principal, 'second_factor.enrolled', { kind: 'totp' });
      return { outcome: 'confirmed' as const, answer: { recoveryCodes } };
    });
  }

  async removeTotp(principal: Principal): Promise<void> {
    await this.database.inOrganization(principal.organization, async (transaction) => {
      await demandFreshProof(transaction, principal);
      const [removed] = await transaction.query<{ confirmed: boolean }>(
        `DELETE FROM totp_factors WHERE user_id = $1 RETURNING confirmed_at IS NOT NULL AS confirmed`,
        [principal.subject],
      );
      if (removed === undefined) throw new RahatError('not_found', 'You have no authenticator app here.');
      // An enrolment that was given up never counted.
      if (removed.confirmed) await this.partWithFactor(transaction, principal, { kind: 'totp' });
    });
  }

  async renewRecoveryCodes(principal: Principal): Promise<string[]> {
    return this.database.inOrganization(principal.organization, async (transaction) => {
      await demandFreshProof(transaction, principal);
      if (methodsOf(await this.factors.enrolled(transaction, principal.subject)).length === 0)
        throw new RahatError('conflict', 'Recovery codes stand in for a second factor, and you have none.', {
          hint: 'Add an authenticator app or a passkey.',
        });
      await this.record(transaction, principal, 'recovery_codes.renewed', {});
      return makeRecoveryCodes(transaction, principal.subject);
    });
  }

  async passkeyOptions(principal: Principal): Promise<object> {
    personalSession(principal);
    return this.database.inOrganization(principal.organization, (transaction) =>
      this.factors.passkeyOptions(transaction, principal.subject),
    );
  }

  /** Who has a second factor shows that one; a password that was read over a shoulder then proves nothing. */
  async proveAgain(principal: Principal, { proof }: FreshProof): Promise<{ outcome: 'proven' } | Refusal> {
    const session = personalSession(principal);
    const seconds = await this.reserve(principal);
    if (seconds > 0) return { outcome: 'wait', seconds };
    return this.database.inOrganization(principal.organization, async (transaction) => {
      const enrolled = methodsOf(await this.factors.enrolled(transaction, principal.subject)).length > 0;
      const used = 'password' in proof ? undefined : await this.factors.use(transaction, principal.subject, proof);
      const right = 'password' in proof ? !enrolled && (await this.passwordIs(transaction, principal, proof.password)) : used !== undefined;
      if (!right) {
        await this.record(transaction, principal, 'proof.refused', { kind: Object.keys(proof)[0] });
        return { outcome: 'refused' as const };
      }
      await this.forgive(transaction, principal);
      if (used === 'recovery_code') await this.record(transaction, principal, 'recovery_code.used', {});
      await transaction.query(`UPDATE sessions SET proven_at = now(), second_factor = second_factor OR $2 WHERE id = $1`, [
        session,
        used !== undefined,
      ]);
      return { outcome: 'proven' as const };
    });
  }

  /** A factor that was just shown counts for this session too. Gives recovery codes with the first one. */
  async welcomeFactor(transaction: Transaction, principal: Principal): Promise<string[] | null> {
    await transaction.query(`UPDATE sessions SET second_factor = true WHERE id = $1`, [personalSession(principal)]);
    const { recoveryCodesLeft } = await this.factors.enrolled(transaction, principal.subject);
    return recoveryCodesLeft > 0 ? null : makeRecoveryCodes(transaction, principal.subject);
  }

  /** After a factor was taken away: refuses when it was the last one and one is required, else what stood in for it goes too. */
  async partWithFactor(transaction: Transaction, principal: Principal, details: Record<string, unknown>): Promise<void> {
    const left: EnrolledFactors = await this.factors.enrolled(transaction, principal.subject);
    if (methodsOf(left).length === 0) {
      if (await isRequired(transaction, principal.organization))
        throw new RahatError('conflict', 'Your organization requires a second factor, and this is your last one.', {
          hint: 'Add another one first.',
        });
      await transaction.query(`DELETE FROM recovery_codes WHERE user_id = $1`, [principal.subject]);
    }
    await this.record(transaction, principal, 'second_factor.removed', details);
  }

  async record(transaction: Transaction, principal: Principal, action: string, details: Record<string, unknown>): Promise<void> {
    await recordAct(this.outbox, transaction, principal, {
      action,
      target: { kind: 'user', id: principal.subject, name: principal.name },
      details,
    });
  }

  private async reserve(principal: Principal): Promise<number> {
    personalSession(principal);
    return reserveTry(this.database, secondFactorAccount(principal.subject), principal.address);
  }

  private async forgive(transaction: Transaction, principal: Principal): Promise<void> {
    await forgiveAttempt(transaction, secondFactorAccount(principal.subject), principal.address);
  }

  private async passwordIs(transaction: Transaction, principal: Principal, password: string): Promise<boolean> {
    const [user] = await transaction.query<{ password_hash: string | null }>(`SELECT password_hash FROM users WHERE id = $1`, [
      principal.subject,
    ]);
    return passwordMatches(user?.password_hash ?? undefined, password);
  }
}

async function isRequired(transaction: Transaction, organization: string): Promise<boolean> {
  const [row] = await transaction.query<{ required: boolean }>(
    `SELECT second_factor_required AS required FROM organizations WHERE organization_id = $1`,
    [organization],
  );
  return row?.required ?? false;
}
