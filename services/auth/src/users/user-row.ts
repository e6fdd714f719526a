import type { Role, User } from '@rahat/contracts';

export interface UserRow {
  id: string;
  name: string;
  email: string;
  role: Role;
  server_groups: string[] | null;
  joined_at: Date;
  seen_at: Date | null;
}

/** Members of the organization `$1`, of whom somebody with the server groups `$2` may know (null: all); a condition and an order may follow. */
export const SELECT_MEMBERS = `
  SELECT u.id, u.name, u.email, m.role, m.server_groups, m.created_at AS joined_at,
         (SELECT max(s.seen_at) FROM sessions s WHERE s.user_id = u.id AND s.organization_id = m.organization_id) AS seen_at
  FROM memberships m JOIN users u ON u.id = m.user_id WHERE m.organization_id = $1 AND ($2::text[] IS NULL OR m.server_groups <@ $2)`;

export function presentUser(row: UserRow): User {
  return {
    id: row.id,
    name: row.name,
    email: row.email,
    role: row.role,
    serverGroups: row.server_groups,
    joinedAt: row.joined_at.toISOString(),
    lastSeenAt: row.seen_at?.toISOString() ?? null,
  };
}
