import { newId, RahatError, type SetupRequest } from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { ServiceDatabase } from '@rahat/persistence';
import type { FirstStart } from '../organizations/first-start.js';
import { demandStrongPassword } from '../passwords/demand-strong-password.js';
import { hashPassword } from '../passwords/password-hash.js';
import { startSession, type StartedSession } from '../sessions/session-issuer.js';
import type { SigningKeys } from '../signing-keys/signing-keys.js';
import { recordActOf, type Who } from '../trail/trail.js';
import { setupTokenHash } from './setup-token.js';

export class SetupService {
  constructor(
    private readonly database: ServiceDatabase,
    private readonly outbox: Outbox,
    private readonly keys: SigningKeys,
    private readonly firstStart: FirstStart,
  ) {}

  /** Makes the first owner. The token is used up in the same transaction, so a failed set-up can be repeated. */
  async makeOwner(request: SetupRequest, address: string): Promise<StartedSession> {
    await demandStrongPassword(request.password, { ...request, organizations: [request.organization] });
    const passwordHash = await hashPassword(request.password);
    const organization = await this.firstStart.defaultOrganization();
    const signer = await this.keys.signer();
    return this.database.inOrganization(organization, async (transaction) => {
      await transaction.query(`SELECT pg_advisory_xact_lock(hashtextextended('rahat.auth.owner', 0))`);
      const used = await transaction.query(
        `UPDATE setup_tokens SET used_at = now() WHERE hash = $1 AND used_at IS NULL AND expires_at > now() RETURNING hash`,
        [setupTokenHash(request.token)],
      );
      if (used.length === 0)
        throw new RahatError('setup_token_invalid', 'This set-up token is wrong, already used, or older than 30 minutes.');
      const owners = await transaction.query(`SELECT FROM memberships WHERE role = 'owner' LIMIT 1`);
      if (owners.length > 0) throw new RahatError('conflict', 'Rahat Backup has an owner already.', { hint: 'Log in instead.' });

      const user = newId('user');
      await transaction.query(`UPDATE organizations SET name = $1 WHERE organization_id = $2`, [request.organization, organization]);
      await transaction.query(`INSERT INTO users (id, organization_id, email, name, password_hash) VALUES ($1, $2, $3, $4, $5)`, [
        user,
        organization,
        request.email,
        request.name,
        passwordHash,
      ]);
      await transaction.query(`INSERT INTO memberships (organization_id, user_id, role) VALUES ($1, $2, 'owner')`, [organization, user]);
      const who: Who = { organization, actor: { kind: 'user', id: user, name: request.name, address } };
      await recordActOf(this.outbox, transaction, who, {
        action: 'owner.created',
        target: { kind: 'user', id: user, name: request.name },
      });
      const started = await startSession(transaction, signer, { id: user, organization, address, method: 'set-up' });
      await recordActOf(this.outbox, transaction, who, {
        action: 'session.started',
        target: { kind: 'session', id: started.session },
        details: { method: 'set-up' },
      });
      return started;
    });
  }
}
