import { RahatError, type Principal, type TokenPair } from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { ServiceDatabase } from '@rahat/persistence';
import { recordAct } from '@rahat/service-kit';
import type { SigningKeys } from '../signing-keys/signing-keys.js';
import { recordActOf, type Who } from '../trail/trail.js';
import { REFRESH_PREFIX, tokenHash } from './opaque-token.js';
import { issueTokens } from './session-issuer.js';

interface UsedToken {
  session_id: string;
  organization_id: string;
  user_id: string;
  name: string;
  first_use: boolean;
  alive: boolean;
}

export class SessionsService {
  constructor(
    private readonly database: ServiceDatabase,
    private readonly outbox: Outbox,
    private readonly keys: SigningKeys,
  ) {}

  /** Each refresh token works once. A second use means that somebody else has a copy: the whole session ends. */
  async refresh(refreshToken: string, address: string): Promise<TokenPair> {
    const used = refreshToken.startsWith(REFRESH_PREFIX) ? await this.useRefreshToken(tokenHash(refreshToken)) : undefined;
    if (used === undefined) throw new RahatError('unauthenticated', 'The refresh token is not valid.');
    if (!used.first_use) await this.endCompromised(used, address);
    if (!used.first_use || !used.alive) throw new RahatError('unauthenticated', 'The session has ended.', { hint: 'Log in again.' });
    const signer = await this.keys.signer();
    return this.database.inOrganization(used.organization_id, (transaction) =>
      issueTokens(transaction, signer, { session: used.session_id, user: used.user_id, organization: used.organization_id }),
    );
  }

  async end(principal: Principal): Promise<void> {
    const session = principal.session;
    if (session === undefined)
      throw new RahatError('invalid_input', 'This request belongs to no session.', { hint: 'An API key is ended by revoking it.' });
    await this.database.inOrganization(principal.organization, async (transaction) => {
      await transaction.query(
        `UPDATE sessions SET revoked_at = now(), revoked_because = 'logged out' WHERE id = $1 AND revoked_at IS NULL`,
        [session],
      );
      await recordAct(this.outbox, transaction, principal, {
        action: 'session.ended',
        target: { kind: 'session', id: session },
      });
    });
  }

  private async useRefreshToken(hash: Buffer): Promise<UsedToken | undefined> {
    return this.database.asSystem('use a refresh token', async (transaction) => {
      // The row lock makes of two simultaneous uses a first and a second one.
      const [token] = await transaction.query<UsedToken>(
        `SELECT t.session_id, t.organization_id, s.user_id, u.name, t.used_at IS NULL AS first_use, s.revoked_at IS NULL AND s.expires_at > now() AS alive
         FROM refresh_tokens t JOIN sessions s ON s.id = t.session_id JOIN users u ON u.id = s.user_id WHERE t.hash = $1 FOR UPDATE OF t`,
        [hash],
      );
      await transaction.query(`UPDATE refresh_tokens SET used_at = now() WHERE hash = $1 AND used_at IS NULL`, [hash]);
      return token;
    });
  }

  private async endCompromised(used: UsedToken, address: string): Promise<void> {
    await this.database.inOrganization(used.organization_id, async (transaction) => {
      await transaction.query(
        `UPDATE sessions SET revoked_at = now(), revoked_because = 'refresh token used twice' WHERE id = $1 AND revoked_at IS NULL`,
        [used.session_id],
      );
      const who: Who = { organization: used.organization_id, actor: { kind: 'user', id: used.user_id, name: used.name, address } };
      await recordActOf(this.outbox, transaction, who, {
        action: 'session.revoked',
        target: { kind: 'session', id: used.session_id },
        details: { reason: 'A refresh token was used a second time.' },
      });
    });
  }
}
