import { RahatError, type Actor } from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { ServiceDatabase, Transaction } from '@rahat/persistence';
import type { Act } from '@rahat/service-kit';
import { recordActOf } from '../trail/trail.js';
import { reserveTry } from './login-failures.js';

/** A person with all that they belong to; read as system, because no organization sees the others. */
export interface Account {
  id: string;
  email: string;
  name: string;
  password_hash: string | null;
  organizations: { id: string; name: string }[];
}

const SELECT_ACCOUNT = `
  SELECT u.id, u.email, u.name, u.password_hash,
         coalesce((SELECT json_agg(json_build_object('id', o.organization_id, 'name', o.name)) FROM memberships m JOIN organizations o USING (organization_id)
                   WHERE m.user_id = u.id), '[]') AS organizations
  FROM users u WHERE u.email IS NOT NULL AND `;

export async function accountById(transaction: Transaction, id: string): Promise<Account | undefined> {
  const [account] = await transaction.query<Account>(`${SELECT_ACCOUNT} u.id = $1`, [id]);
  return account;
}

export async function accountByEmail(transaction: Transaction, email: string): Promise<Account | undefined> {
  const [account] = await transaction.query<Account>(`${SELECT_ACCOUNT} lower(u.email) = lower($1)`, [email]);
  return account;
}

/** What concerns a person wherever they belong stands in the trail of each of these organizations. */
export async function recordInEach(outbox: Outbox, transaction: Transaction, account: Account, actor: Actor, act: Act): Promise<void> {
  for (const { id } of account.organizations) await recordActOf(outbox, transaction, { organization: id, actor }, act);
}

/** Counts a try of a password as a log-in does: whoever has to wait there, waits here. */
export async function countTry(database: ServiceDatabase, email: string, address: string): Promise<void> {
  const seconds = await reserveTry(database, email, address);
  if (seconds > 0) throw new RahatError('rate_limited', `Too many failed tries. Try again in ${seconds} s.`);
}
