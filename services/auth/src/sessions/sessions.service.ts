import { RahatError, type LoginRequest, type Principal, type TokenPair } from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { ServiceDatabase, Transaction } from '@rahat/persistence';
import type { FirstStart } from '../organizations/first-start.js';
import { forgiveAttempt, reserveAttempt } from '../passwords/login-failures.js';
import { passwordMatches } from '../passwords/password-hash.js';
import type { SigningKeys } from '../signing-keys/signing-keys.js';
import { actorOf, recordAct } from '../trail/trail.js';
import { REFRESH_PREFIX, tokenHash } from './opaque-token.js';
import { issueTokens, startSession, type StartedSession } from './session-issuer.js';

export type LogInOutcome = { outcome: 'started'; started: StartedSession } | { outcome: 'refused' } | { outcome: 'wait'; seconds: number };

interface KnownUser {
  id: string;
  organization_id: string;
  name: string;
  password_hash: string | null;
}

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
    private readonly firstStart: FirstStart,
  ) {}

  async logIn(request: LoginRequest, address: string, userAgent?: string): Promise<LogInOutcome> {
    const seconds = await this.database.asSystem('count a log-in attempt', async (transaction) =>
      Math.max(await reserveAttempt(transaction, 'account', request.email), await reserveAttempt(transaction, 'address', address)),
    );
    if (seconds > 0) return { outcome: 'wait', seconds };
    const user = await this.userByEmail(request.email);
    const matches = await passwordMatches(user?.password_hash ?? undefined, request.password);
    if (user === undefined || !matches) {
      await this.recordRefusal(user, address);
      return { outcome: 'refused' };
    }
    const signer = await this.keys.signer();
    return this.database.inOrganization(user.organization_id, async (transaction) => {
      await removeOldSessions(transaction);
      await forgiveAttempt(transaction, request.email, address);
      const started = await startSession(transaction, signer, { id: user.id, organization: user.organization_id, address, userAgent });
      await recordAct(this.outbox, transaction, {
        organization: user.organization_id,
        actor: { kind: 'user', id: user.id, name: user.name, address },
        action: 'session.started',
        target: { kind: 'session', id: started.session },
      });
      return { outcome: 'started', started };
    });
  }

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
      await recordAct(this.outbox, transaction, {
        organization: principal.organization,
        actor: actorOf(principal),
        action: 'session.ended',
        target: { kind: 'session', id: session },
        request: principal.requestId,
      });
    });
  }

  private async userByEmail(email: string): Promise<KnownUser | undefined> {
    return this.database.asSystem('find a user by e-mail', async (transaction) => {
      const [user] = await transaction.query<KnownUser>(
        `SELECT u.id, u.organization_id, u.name, u.password_hash FROM users u JOIN memberships m ON m.user_id = u.id AND m.organization_id = u.organization_id WHERE lower(u.email) = lower($1)`,
        [email],
      );
      return user;
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
      await recordAct(this.outbox, transaction, {
        organization: used.organization_id,
        actor: { kind: 'user', id: used.user_id, name: used.name, address },
        action: 'session.revoked',
        target: { kind: 'session', id: used.session_id },
        details: { reason: 'A refresh token was used a second time.' },
      });
    });
  }

  /** What was typed is not kept: people type passwords into the wrong field. */
  private async recordRefusal(user: KnownUser | undefined, address: string): Promise<void> {
    const organization = user?.organization_id ?? (await this.firstStart.defaultOrganization());
    await this.database.inOrganization(organization, (transaction) =>
      recordAct(this.outbox, transaction, {
        organization,
        actor: { kind: 'system', id: 'auth', name: 'auth', address },
        action: 'session.refused',
        target: user === undefined ? { kind: 'user', id: 'unknown' } : { kind: 'user', id: user.id, name: user.name },
        details: { reason: 'Wrong e-mail or password.' },
      }),
    );
  }
}

/** Long after a session's end nobody asks for it, nor for its refresh tokens. */
async function removeOldSessions(transaction: Transaction): Promise<void> {
  await transaction.query(
    `DELETE FROM refresh_tokens t USING sessions s WHERE s.id = t.session_id AND s.expires_at < now() - interval '7 days'`,
  );
  await transaction.query(`DELETE FROM sessions WHERE expires_at < now() - interval '7 days'`);
}
