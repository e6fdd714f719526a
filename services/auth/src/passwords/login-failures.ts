import { createHash } from 'node:crypto';
import type { ServiceDatabase, Transaction } from '@rahat/persistence';
import { networkOf } from '@rahat/service-kit';
import { BACK_OFF, backOffSeconds, FORGET_FAILURES_AFTER_SECONDS } from './back-off.js';

type Kind = keyof typeof BACK_OFF;

/**
 * Counts the attempt as failed before the password is looked at, under a row lock, so that a burst of parallel
 * guesses can't pass the check together. Gives the seconds to wait when the attempt is refused, else 0.
 */
export async function reserveAttempt(transaction: Transaction, kind: Kind, name: string): Promise<number> {
  const subject = subjectOf(kind, name);
  await transaction.query(
    `INSERT INTO login_failures (subject, failures, failed_at, blocked_until) VALUES ($1, 0, now(), now()) ON CONFLICT (subject) DO NOTHING`,
    [subject],
  );
  const [row] = await transaction.query<{ failures: number; idle: number; wait: number }>(
    `SELECT failures, extract(epoch FROM now() - failed_at)::float8 AS idle, extract(epoch FROM blocked_until - clock_timestamp())::float8 AS wait
     FROM login_failures WHERE subject = $1 FOR UPDATE`,
    [subject],
  );
  if (row === undefined) return 0;
  if (row.wait > 0) return Math.ceil(row.wait);
  const failures = row.idle > FORGET_FAILURES_AFTER_SECONDS ? 1 : row.failures + 1;
  await transaction.query(
    `UPDATE login_failures SET failures = $2, failed_at = clock_timestamp(), blocked_until = clock_timestamp() + make_interval(secs => $3) WHERE subject = $1`,
    [subject, failures, backOffSeconds(BACK_OFF[kind], failures)],
  );
  return 0;
}

/** Counts a try of an account from an address, before it is looked at; gives how many seconds it has to wait. */
export async function reserveTry(database: ServiceDatabase, account: string, address: string): Promise<number> {
  return database.asSystem('count a try', async (transaction) =>
    Math.max(await reserveAttempt(transaction, 'account', account), await reserveAttempt(transaction, 'address', address)),
  );
}

/** A right proof takes back the account's count, where it was of one, and the one attempt that was reserved for the address. */
export async function forgiveAttempt(transaction: Transaction, account: string | undefined, address: string): Promise<void> {
  if (account !== undefined) await forgetFailures(transaction, account);
  await transaction.query(`UPDATE login_failures SET failures = greatest(failures - 1, 0), blocked_until = now() WHERE subject = $1`, [
    subjectOf('address', address),
  ]);
}

export async function forgetFailures(transaction: Transaction, account: string): Promise<void> {
  await transaction.query(`DELETE FROM login_failures WHERE subject = $1`, [subjectOf('account', account)]);
}

/** Hashed, because what is typed into an e-mail field is sometimes a password. An address counts as its network: one place draws as many as it likes. */
function subjectOf(kind: Kind, name: string): string {
  const counted = kind === 'address' ? networkOf(name) : name;
  return `${kind}:${createHash('sha256').update(counted.toLowerCase()).digest('hex')}`;
}
