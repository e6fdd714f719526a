import type { SecondFactor, SecondFactorProof } from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';
import type { SecretBox, SecretPlace } from '@rahat/secrets';
import type { PasskeyCeremonies } from '../passkeys/passkey-ceremonies.js';
import { useRecoveryCode } from './recovery-codes.js';
import { stepOfCode } from './totp.js';

export interface EnrolledFactors {
  totpSince: Date | null;
  passkeys: number;
  recoveryCodesLeft: number;
}

/** The second factors of users: what they have, and whether what they show is one. They are the person's, in whichever organization. */
export class SecondFactors {
  constructor(
    private readonly secretBox: SecretBox,
    private readonly passkeys: PasskeyCeremonies,
  ) {}

  async enrolled(transaction: Transaction, user: string): Promise<EnrolledFactors> {
    const [row] = await transaction.query<{ totp_since: Date | null; passkeys: number; codes: number }>(
      `SELECT (SELECT confirmed_at FROM totp_factors WHERE user_id = $1) AS totp_since,
              (SELECT count(*)::int FROM passkeys WHERE user_id = $1) AS passkeys,
              (SELECT count(*)::int FROM recovery_codes WHERE user_id = $1 AND used_at IS NULL) AS codes`,
      [user],
    );
    return { totpSince: row!.totp_since, passkeys: row!.passkeys, recoveryCodesLeft: row!.codes };
  }

  async passkeyOptions(transaction: Transaction, user: string): Promise<object> {
    return this.passkeys.assertionOptions(transaction, user);
  }

  /** Uses the proof up; undefined when it proves nothing. */
  async use(transaction: Transaction, user: string, proof: SecondFactorProof): Promise<SecondFactor | undefined> {
    if ('code' in proof) return (await this.useCode(transaction, user, proof.code, 'confirmed')) ? 'totp' : undefined;
    if ('recoveryCode' in proof) return (await useRecoveryCode(transaction, user, proof.recoveryCode)) ? 'recovery_code' : undefined;
    const shown = await this.passkeys.verify(transaction, proof.passkey, { purpose: 'second-factor', user });
    return shown && 'passkey';
  }

  /** A code counts once, whoever else sends it at the same moment: the row is locked until the step is written. */
  async useCode(transaction: Transaction, user: string, code: string, of: 'confirmed' | 'unconfirmed'): Promise<boolean> {
    const [row] = await transaction.query<{ sealed_secret: string; last_step: string | null }>(
      `SELECT sealed_secret, last_step FROM totp_factors WHERE user_id = $1 AND (confirmed_at IS NOT NULL) = $2 FOR UPDATE`,
      [user, of === 'confirmed'],
    );
    if (row === undefined) return false;
    const secret = this.secretBox.open(row.sealed_secret, placeOf(user)).toString('utf8');
    const step = await stepOfCode(secret, code, { afterStep: row.last_step === null ? undefined : Number(row.last_step), now: new Date() });
    if (step === undefined) return false;
    await transaction.query(`UPDATE totp_factors SET last_step = $2, confirmed_at = coalesce(confirmed_at, now()) WHERE user_id = $1`, [
      user,
      step,
    ]);
    return true;
  }

  /** Replaces a secret that was never confirmed, and no other. */
  async keepTotpSecret(transaction: Transaction, user: string, secret: string): Promise<boolean> {
    const kept = await transaction.query(
      `INSERT INTO totp_factors (user_id, sealed_secret) VALUES ($1, $2)
       ON CONFLICT (user_id) DO UPDATE SET sealed_secret = excluded.sealed_secret, last_step = NULL, created_at = now()
       WHERE totp_factors.confirmed_at IS NULL RETURNING user_id`,
      [user, this.secretBox.seal(secret, placeOf(user))],
    );
    return kept.length > 0;
  }
}

/** In the order in which a person would try them. */
export function methodsOf(factors: EnrolledFactors): SecondFactor[] {
  const methods: SecondFactor[] = [];
  if (factors.totpSince !== null) methods.push('totp');
  if (factors.passkeys > 0) methods.push('passkey');
  // A recovery code stands in for a factor and is none: alone it asks for nothing.
  if (methods.length > 0 && factors.recoveryCodesLeft > 0) methods.push('recovery_code');
  return methods;
}

/** A person may belong to several organizations, and to others later. */
function placeOf(user: string): SecretPlace {
  return { organization: 'platform', record: `totp/${user}`, field: 'secret' };
}
