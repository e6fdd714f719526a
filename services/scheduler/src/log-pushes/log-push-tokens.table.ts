import type { LogPushToken } from '@rahat/contracts';

export interface LogPushTokenRow {
  id: string;
  organization_id: string;
  server_id: string;
  secret_hash: Buffer;
  created_by: LogPushToken['createdBy'];
  created_at: Date;
  last_used_at: Date | null;
  revoked_at: Date | null;
}

export function presentToken(row: LogPushTokenRow): LogPushToken {
  return {
    id: row.id,
    server: row.server_id,
    createdAt: row.created_at.toISOString(),
    createdBy: row.created_by,
    lastUsedAt: row.last_used_at?.toISOString() ?? null,
  };
}
