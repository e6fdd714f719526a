import type { ApiKey, Scope } from '@rahat/contracts';

export interface ApiKeyRow {
  id: string;
  name: string;
  scopes: Scope[];
  requests_per_minute: number | null;
  created_by: string;
  creator: string;
  created_at: Date;
  expires_at: Date | null;
  used_at: Date | null;
  used_from: string | null;
  revoked_at: Date | null;
}

/** A condition and an order may follow. */
export const SELECT_API_KEYS = `
  SELECT k.id, k.name, k.scopes, k.requests_per_minute, k.created_by, coalesce(u.name, 'a former member') AS creator,
         k.created_at, k.expires_at, k.used_at, k.used_from, k.revoked_at
  FROM api_keys k LEFT JOIN users u ON u.id = k.created_by`;

export function presentApiKey(row: ApiKeyRow): ApiKey {
  return {
    id: row.id,
    name: row.name,
    scopes: row.scopes,
    requestsPerMinute: row.requests_per_minute,
    createdBy: { id: row.created_by, name: row.creator },
    createdAt: row.created_at.toISOString(),
    expiresAt: row.expires_at?.toISOString() ?? null,
    lastUsedAt: row.used_at?.toISOString() ?? null,
    lastUsedFrom: row.used_from,
    revokedAt: row.revoked_at?.toISOString() ?? null,
  };
}
