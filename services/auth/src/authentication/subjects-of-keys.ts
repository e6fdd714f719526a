import type { AuthenticatedSubject, Role, Scope } from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';
import { sameHash } from '@rahat/secrets';
import { holdsUntil, TOUCH_SECONDS } from './answer-times.js';
import { scopesOfKey } from './key-scopes.js';

export interface AskedKey {
  id: string;
  secretHash: Buffer;
  address: string;
}

interface KeyRow {
  /** Place among those that were asked for, from 1. */
  place: string;
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

const KEYS = `
  SELECT asked.place, k.organization_id, k.name, k.secret_hash, k.scopes, k.expires_at, k.requests_per_minute, m.role, m.server_groups,
    COALESCE(k.used_at >= now() - make_interval(secs => $3) AND k.used_from = asked.address, false) AS is_used
  FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS asked (id, address, place)
  JOIN api_keys k ON k.id = asked.id
  JOIN memberships m ON m.user_id = k.created_by AND m.organization_id = k.organization_id
  WHERE k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())`;

/** Whoever holds the row writes it, or revokes it, and is not waited for. */
const TOUCH_KEYS = `
  UPDATE api_keys SET used_at = now(), used_from = asked.address FROM unnest($1::text[], $2::text[]) AS asked (id, address)
  WHERE api_keys.id = asked.id AND api_keys.id IN (SELECT id FROM api_keys WHERE id = ANY ($1::text[]) FOR UPDATE SKIP LOCKED)`;

/** Without those that let nobody in. */
export async function subjectsOfKeys(transaction: Transaction, asked: readonly AskedKey[]): Promise<Map<AskedKey, AuthenticatedSubject>> {
  const subjects = new Map<AskedKey, AuthenticatedSubject>();
  if (asked.length === 0) return subjects;
  const parameters = (keys: readonly AskedKey[]) => [keys.map(({ id }) => id), keys.map(({ address }) => address)];
  const unused: AskedKey[] = [];
  for (const row of await transaction.prepared<KeyRow>(KEYS, [...parameters(asked), TOUCH_SECONDS])) {
    const key = asked[Number(row.place) - 1]!;
    if (!sameHash(row.secret_hash, key.secretHash)) continue;
    if (!row.is_used) unused.push(key);
    subjects.set(key, subjectOf(key, row));
  }
  if (unused.length > 0) await transaction.prepared(TOUCH_KEYS, parameters(unused));
  return subjects;
}

function subjectOf({ id }: AskedKey, row: KeyRow): AuthenticatedSubject {
  return {
    kind: 'api-key',
    subject: id,
    name: row.name,
    organization: row.organization_id,
    role: row.role,
    scopes: scopesOfKey(row.scopes, row.role),
    serverGroups: row.server_groups,
    requestsPerMinute: row.requests_per_minute ?? undefined,
    expiresAt: holdsUntil(row.expires_at),
  };
}
