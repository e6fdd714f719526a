import type { Transaction } from '@rahat/persistence';
import { newTypedCode, typedCodeHash } from '../setup/typed-code.js';

const CODES = 10;

/** Makes new codes, shown this once; the ones before stop working. 80 random bits need no slow hash. */
export async function makeRecoveryCodes(transaction: Transaction, user: string): Promise<string[]> {
  const codes = Array.from({ length: CODES }, () => newTypedCode(4));
  await transaction.query(`DELETE FROM recovery_codes WHERE user_id = $1`, [user]);
  await transaction.query(`INSERT INTO recovery_codes (hash, user_id) SELECT unnest($1::bytea[]), $2`, [codes.map(typedCodeHash), user]);
  return codes;
}

/** Of two simultaneous uses of a code one is first, and the other finds it used. */
export async function useRecoveryCode(transaction: Transaction, user: string, code: string): Promise<boolean> {
  const used = await transaction.query(
    `UPDATE recovery_codes SET used_at = now() WHERE hash = $1 AND user_id = $2 AND used_at IS NULL RETURNING hash`,
    [typedCodeHash(code), user],
  );
  return used.length > 0;
}
