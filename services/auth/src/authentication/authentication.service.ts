import { RahatError, ROLE_SCOPES, type AuthenticatedSubject, type Role, type Scope } from '@rahat/contracts';
import type { ServiceDatabase } from '@rahat/persistence';
import { sameHash } from '@rahat/secrets';
import { parseApiKey } from '../api-keys/api-key-format.js';
import { COOKIE_PREFIX, tokenHash } from '../sessions/opaque-token.js';
import { verifyAccessToken } from '../signing-keys/access-token.js';
import type { SigningKeys } from '../signing-keys/signing-keys.js';
import { scopesOfKey } from './key-scopes.js';

/** A browser that was idle this long has to log in again. */
const IDLE_HOURS = 12;
/** "Last used" is written at most this often. */
const TOUCH_SECONDS = 60;
/** The gateway asks again well before this; it only bounds a forgotten cache. */
const ANSWER_HOLDS_MS = 10 * 60_000;

interface SessionRow {
  id: string;
  organization_id: string;
  user_id: string;
  name: string;
  role: Role;
  server_groups: string[] | null;
  expires_at: Date;
  must_enrol: boolean;
  is_seen: boolean;
}

interface KeyRow {
  organization_id: string;
  name: string;
  secret_hash: Buffer;
  scopes: Scope[];
  role: Role;
  server_groups: string[] | null;
  expires_at: Date | null;
  requests_per_minute: number | null;
  is_used: boolean;
}

/** Says who is behind a credential, from what is true in the database now: revocation and role changes count at once. */
export class AuthenticationService {
  constructor(
    private readonly database: ServiceDatabase,
    private readonly keys: SigningKeys,
  ) {}

  async authenticate(credential: string, address: string): Promise<AuthenticatedSubject> {
    if (credential.startsWith('rhb_')) return this.byApiKey(credential, address);
    if (credential.startsWith(COOKIE_PREFIX)) return this.byCookie(credential);
    return this.byAccessToken(credential);
  }

  private async byCookie(cookie: string): Promise<AuthenticatedSubject> {
    return this.bySession('s.cookie_hash = $1 AND s.seen_at > now() - make_interval(hours => $2)', [tokenHash(cookie), IDLE_HOURS]);
  }

  private async byAccessToken(token: string): Promise<AuthenticatedSubject> {
    const claims = await verifyAccessToken(token, (kid) => this.keys.publicKeyOf(kid));
    const subject = await this.bySession('s.id = $1 AND s.user_id = $2 AND s.organization_id = $3', [
      claims.session,
      claims.user,
      claims.organization,
    ]);
    return { ...subject, expiresAt: claims.expiresAt.toISOString() };
  }

  private async bySession(condition: string, parameters: unknown[]): Promise<AuthenticatedSubject> {
    const row = await this.database.asSystem('authenticate a session', async (transaction) => {
      const [session] = await transaction.query<SessionRow>(
        `SELECT s.id, s.organization_id, s.user_id, s.expires_at, u.name, m.role, m.server_groups,
                s.seen_at >= now() - interval '${TOUCH_SECONDS} seconds' AS is_seen,
                o.second_factor_required AND NOT s.second_factor AND NOT (s.method = 'sign-on' AND o.sign_on_counts_as_second_factor) AS must_enrol
         FROM sessions s JOIN users u ON u.id = s.user_id JOIN memberships m ON m.user_id = s.user_id AND m.organization_id = s.organization_id
           JOIN organizations o ON o.organization_id = s.organization_id
         WHERE s.revoked_at IS NULL AND s.expires_at > now() AND ${condition}`,
        parameters,
      );
      if (session?.is_seen === false)
        await transaction.query(`UPDATE sessions SET seen_at = now() WHERE id = $1 AND seen_at < now() - make_interval(secs => $2)`, [
          session.id,
          TOUCH_SECONDS,
        ]);
      return session;
    });
    if (row === undefined) throw new RahatError('unauthenticated', 'The session has ended.', { hint: 'Log in again.' });
    return {
      kind: 'user',
      subject: row.user_id,
      name: row.name,
      organization: row.organization_id,
      role: row.role,
      // Told twice: who looks at scopes alone, lets nobody through either.
      scopes: row.must_enrol ? [] : [...ROLE_SCOPES[row.role]],
      serverGroups: row.server_groups,
      session: row.id,
      ...(row.must_enrol ? { mustEnrol: true } : {}),
      expiresAt: new Date(Math.min(row.expires_at.getTime(), Date.now() + ANSWER_HOLDS_MS)).toISOString(),
    };
  }

  private async byApiKey(text: string, address: string): Promise<AuthenticatedSubject> {
    const key = parseApiKey(text);
    const row =
      key === undefined
        ? undefined
        : await this.database.asSystem('authenticate an API key', async (transaction) => {
            const [found] = await transaction.query<KeyRow>(
              `SELECT k.organization_id, k.name, k.secret_hash, k.scopes, k.expires_at, k.requests_per_minute, m.role, m.server_groups,
           COALESCE(k.used_at >= now() - make_interval(secs => $2) AND k.used_from = $3, false) AS is_used
         FROM api_keys k
         JOIN memberships m ON m.user_id = k.created_by AND m.organization_id = k.organization_id
         WHERE k.id = $1 AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())`,
              [key.id, TOUCH_SECONDS, address],
            );
            if (found === undefined || !sameHash(found.secret_hash, key.secretHash)) return undefined;
            if (!found.is_used)
              await transaction.query(
                `UPDATE api_keys SET used_at = now(), used_from = $3 WHERE id = $1 AND (used_at IS NULL OR used_at < now() - make_interval(secs => $2) OR used_from IS DISTINCT FROM $3)`,
                [key.id, TOUCH_SECONDS, address],
              );
            return found;
          });
    if (key === undefined || row === undefined) throw new RahatError('unauthenticated', 'The API key is wrong, revoked or expired.');
    const holdsUntil = Date.now() + ANSWER_HOLDS_MS;
    return {
      kind: 'api-key',
      subject: key.id,
      name: row.name,
      organization: row.organization_id,
      role: row.role,
      scopes: scopesOfKey(row.scopes, row.role),
      serverGroups: row.server_groups,
      requestsPerMinute: row.requests_per_minute ?? undefined,
      expiresAt: new Date(Math.min(row.expires_at?.getTime() ?? holdsUntil, holdsUntil)).toISOString(),
    };
  }
}
