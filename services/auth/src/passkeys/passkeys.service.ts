import { newId, RahatError, type CreatedPasskey, type CreatePasskey, type Passkey, type Principal } from '@rahat/contracts';
import type { ServiceDatabase, Transaction } from '@rahat/persistence';
import { changesBetween } from '@rahat/service-kit';
import { demandFreshProof, personalSession } from '../two-factor/fresh-proof.js';
import type { TwoFactorService } from '../two-factor/two-factor.service.js';
import type { NewCredential, PasskeyCeremonies } from './passkey-ceremonies.js';

/** A person has a few devices; more than this is a mistake or an abuse. */
const MOST_PASSKEYS = 20;

interface Row {
  id: string;
  name: string;
  backed_up: boolean;
  created_at: Date;
  used_at: Date | null;
}

/** What users do with their own passkeys. */
export class PasskeysService {
  constructor(
    private readonly database: ServiceDatabase,
    private readonly ceremonies: PasskeyCeremonies,
    private readonly twoFactor: TwoFactorService,
  ) {}

  async options(principal: Principal): Promise<object> {
    return this.database.inOrganization(principal.organization, async (transaction) => {
      await demandFreshProof(transaction, principal);
      const [user] = await transaction.query<{ email: string; name: string; passkeys: number }>(
        `SELECT email, name, (SELECT count(*)::int FROM passkeys WHERE user_id = users.id) AS passkeys FROM users WHERE id = $1`,
        [principal.subject],
      );
      if (user === undefined) throw new RahatError('not_found', 'There is no such user.');
      if (user.passkeys >= MOST_PASSKEYS) throw new RahatError('conflict', `You have ${MOST_PASSKEYS} passkeys; remove one first.`);
      return this.ceremonies.registrationOptions(transaction, { id: principal.subject, ...user });
    });
  }

  async create(principal: Principal, { name, passkey }: CreatePasskey): Promise<CreatedPasskey> {
    const created = await this.database.inOrganization(principal.organization, async (transaction) => {
      await demandFreshProof(transaction, principal);
      const credential = await this.ceremonies.checkRegistration(transaction, principal.subject, passkey);
      const row = credential && (await this.keep(transaction, principal, name, credential));
      // Not thrown here: that an answer was taken must stay, whatever it was worth.
      if (row === undefined) return undefined;
      const recoveryCodes = await this.twoFactor.welcomeFactor(transaction, principal);
      await this.twoFactor.record(transaction, principal, 'second_factor.enrolled', { kind: 'passkey', passkey: row.id, name });
      return { ...present(row), recoveryCodes };
    });
    if (created === undefined)
      throw new RahatError('invalid_input', 'This passkey was not made for here, or is registered already.', { hint: 'Begin again.' });
    return created;
  }

  async list(principal: Principal): Promise<Passkey[]> {
    personalSession(principal);
    const rows = await this.database.inOrganization(principal.organization, (transaction) =>
      transaction.query<Row>(`SELECT id, name, backed_up, created_at, used_at FROM passkeys WHERE user_id = $1 ORDER BY id`, [
        principal.subject,
      ]),
    );
    return rows.map(present);
  }

  async rename(principal: Principal, id: string, name: string): Promise<Passkey> {
    personalSession(principal);
    return this.database.inOrganization(principal.organization, async (transaction) => {
      const [before] = await transaction.query<Pick<Row, 'name'>>(`SELECT name FROM passkeys WHERE id = $1 AND user_id = $2 FOR UPDATE`, [
        id,
        principal.subject,
      ]);
      const [row] = await transaction.query<Row>(
        `UPDATE passkeys SET name = $3 WHERE id = $1 AND user_id = $2 RETURNING id, name, backed_up, created_at, used_at`,
        [id, principal.subject, name],
      );
      if (before === undefined || row === undefined) throw new RahatError('not_found', 'You have no such passkey.');
      const changes = changesBetween({ name: before.name }, { name });
      await this.twoFactor.record(transaction, principal, 'passkey.renamed', { passkey: id, ...changes });
      return present(row);
    });
  }

  async remove(principal: Principal, id: string): Promise<void> {
    await this.database.inOrganization(principal.organization, async (transaction) => {
      await demandFreshProof(transaction, principal);
      const [removed] = await transaction.query<{ name: string }>(`DELETE FROM passkeys WHERE id = $1 AND user_id = $2 RETURNING name`, [
        id,
        principal.subject,
      ]);
      if (removed === undefined) throw new RahatError('not_found', 'You have no such passkey.');
      await this.twoFactor.partWithFactor(transaction, principal, { kind: 'passkey', passkey: id, name: removed.name });
    });
  }

  /** Undefined when the credential belongs to somebody already: nobody may take over another one's. */
  private async keep(transaction: Transaction, principal: Principal, name: string, credential: NewCredential): Promise<Row | undefined> {
    const [row] = await transaction.query<Row>(
      `INSERT INTO passkeys (id, credential_id, user_id, name, public_key, counter, transports, backed_up)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (credential_id) DO NOTHING RETURNING id, name, backed_up, created_at, used_at`,
      [
        newId('passkey'),
        credential.credentialId,
        principal.subject,
        name,
        credential.publicKey,
        credential.counter,
        credential.transports,
        credential.backedUp,
      ],
    );
    return row;
  }
}

function present(row: Row): Passkey {
  return {
    id: row.id,
    name: row.name,
    backedUp: row.backed_up,
    createdAt: row.created_at.toISOString(),
    lastUsedAt: row.used_at?.toISOString() ?? null,
  };
}
