import { RahatError, type Principal } from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { ServiceDatabase } from '@rahat/persistence';
import { recordAct } from '@rahat/service-kit';
import type { SigningKeys } from '../signing-keys/signing-keys.js';
import { COOKIE_PREFIX, newOpaqueToken, tokenHash } from './opaque-token.js';
import { issueTokens, type StartedSession } from './session-issuer.js';
import { userOf } from './session-overview.js';

/** A session acts in one organization at a time. */
export class OrganizationSwitch {
  constructor(
    private readonly database: ServiceDatabase,
    private readonly outbox: Outbox,
    private readonly keys: SigningKeys,
  ) {}

  /**
   * The session stays; its cookie and tokens are new ones, and the old ones end. A front door that remembers the old ones for
   * seconds would else let what is meant for the new organization happen in the old one.
   */
  async enter(principal: Principal, organization: string): Promise<StartedSession> {
    const user = userOf(principal);
    const session = principal.session;
    if (session === undefined) throw new RahatError('invalid_input', 'This request belongs to no session.');
    const signer = await this.keys.signer();
    const cookie = newOpaqueToken(COOKIE_PREFIX);
    return this.database.asSystem('enter another organization', async (transaction) => {
      const [member] = await transaction.query(`SELECT FROM memberships WHERE user_id = $1 AND organization_id = $2 FOR SHARE`, [
        user,
        organization,
      ]);
      if (member === undefined) throw new RahatError('not_found', 'You belong to no such organization.');
      // The identity provider of one organization says nothing about who may enter another one.
      const [signedOn] = await transaction.query(`SELECT FROM sessions WHERE id = $1 AND method = 'sign-on'`, [session]);
      if (signedOn !== undefined && organization !== principal.organization)
        throw new RahatError('forbidden', 'A session by an identity provider stays in its organization.', {
          hint: 'Log in with a password or a passkey.',
        });
      await transaction.query(`DELETE FROM refresh_tokens WHERE session_id = $1`, [session]);
      const moved = await transaction.query(
        `UPDATE sessions SET organization_id = $3, cookie_hash = $4, seen_at = now() WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL AND expires_at > now() RETURNING id`,
        [session, user, organization, tokenHash(cookie)],
      );
      if (moved.length === 0) throw new RahatError('unauthenticated', 'The session has ended.', { hint: 'Log in again.' });
      await transaction.query(`UPDATE users SET organization_id = $2 WHERE id = $1`, [user, organization]);
      const acts = [
        [principal.organization, 'session.left'],
        [organization, 'session.entered'],
      ] as const;
      for (const [where, action] of acts)
        await recordAct(
          this.outbox,
          transaction,
          { ...principal, organization: where },
          { action, target: { kind: 'session', id: session } },
        );
      return { session, cookie, tokens: await issueTokens(transaction, signer, { session, user, organization }) };
    });
  }
}
