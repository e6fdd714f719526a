import { ROLE_SCOPES, type AuthenticatedSubject, type Role } from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';
import type { AccessClaims } from '../signing-keys/access-token.js';
import { holdsUntil, TOUCH_SECONDS } from './answer-times.js';

/** A browser that was idle this long has to log in again. */
const IDLE_HOURS = 12;

/** By the cookie of a browser, or by an access token of it. */
export type AskedSession = { cookieHash: Buffer } | { claims: AccessClaims & { expiresAt: Date } };

interface SessionRow {
  id: string;
  /** In hexadecimal. */
  cookie_hash: string;
  organization_id: string;
  user_id: string;
  name: string;
  role: Role;
  server_groups: string[] | null;
  expires_at: Date;
  must_enrol: boolean;
  is_idle: boolean;
  is_seen: boolean;
}

const sessionsBy = (condition: string) => `
  SELECT s.id, encode(s.cookie_hash, 'hex') AS cookie_hash, s.organization_id, s.user_id, s.expires_at, u.name, m.role, m.server_groups,
    s.seen_at <= now() - make_interval(hours => ${IDLE_HOURS}) AS is_idle,
    s.seen_at >= now() - make_interval(secs => ${TOUCH_SECONDS}) AS is_seen,
    o.second_factor_required AND NOT s.second_factor AND NOT (s.method = 'sign-on' AND o.sign_on_counts_as_second_factor) AS must_enrol
  FROM sessions s JOIN users u ON u.id = s.user_id JOIN memberships m ON m.user_id = s.user_id AND m.organization_id = s.organization_id
    JOIN organizations o ON o.organization_id = s.organization_id
  WHERE s.revoked_at IS NULL AND s.expires_at > now() AND ${condition}`;
const BY_COOKIE = sessionsBy('s.cookie_hash = ANY ($1::bytea[])');
const BY_ID = sessionsBy('s.id = ANY ($1::text[])');

/** Whoever holds the row writes it, or ends it, and is not waited for. */
const TOUCH_SESSIONS = `
  UPDATE sessions SET seen_at = now() WHERE id IN (SELECT id FROM sessions WHERE id = ANY ($1::text[]) FOR UPDATE SKIP LOCKED)`;

/** Without those that let nobody in. */
export async function subjectsOfSessions(
  transaction: Transaction,
  asked: readonly AskedSession[],
): Promise<Map<AskedSession, AuthenticatedSubject>> {
  const hashes = asked.flatMap((one) => ('cookieHash' in one ? one.cookieHash : []));
  const ids = asked.flatMap((one) => ('claims' in one ? one.claims.session : []));
  const byCookie = hashes.length === 0 ? [] : await transaction.prepared<SessionRow>(BY_COOKIE, [hashes]);
  const byId = ids.length === 0 ? [] : await transaction.prepared<SessionRow>(BY_ID, [ids]);
  const rowOfCookie = new Map(byCookie.map((row) => [row.cookie_hash, row]));
  const rowOfId = new Map(byId.map((row) => [row.id, row]));
  const subjects = new Map<AskedSession, AuthenticatedSubject>();
  const unseen = new Set<string>();
  for (const one of asked) {
    const row = 'claims' in one ? rowOfId.get(one.claims.session) : rowOfCookie.get(one.cookieHash.toString('hex'));
    if (row === undefined || !isOf(one, row)) continue;
    if (!row.is_seen) unseen.add(row.id);
    const subject = subjectOf(row);
    subjects.set(one, 'claims' in one ? { ...subject, expiresAt: one.claims.expiresAt.toISOString() } : subject);
  }
  if (unseen.size > 0) await transaction.prepared(TOUCH_SESSIONS, [[...unseen]]);
  return subjects;
}

function isOf(asked: AskedSession, row: SessionRow): boolean {
  if ('cookieHash' in asked) return !row.is_idle;
  return asked.claims.user === row.user_id && asked.claims.organization === row.organization_id;
}

function subjectOf(row: SessionRow): AuthenticatedSubject {
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
    expiresAt: holdsUntil(row.expires_at),
  };
}
