import { InvitationState, type Invitation, type Role } from '@rahat/contracts';
import type { z } from 'zod';

export interface InvitationRow {
  id: string;
  organization_id: string;
  email: string;
  role: Role;
  server_groups: string[] | null;
  invited_by: string;
  inviter: string;
  created_at: Date;
  expires_at: Date;
  state: z.infer<typeof InvitationState>;
}

/** A condition and an order may follow. */
export const SELECT_INVITATIONS = `
  SELECT i.id, i.organization_id, i.email, i.role, i.server_groups, i.invited_by, coalesce(u.name, 'a former member') AS inviter, i.created_at, i.expires_at,
         CASE WHEN i.accepted_at IS NOT NULL THEN 'accepted' WHEN i.revoked_at IS NOT NULL THEN 'revoked' WHEN i.expires_at <= now() THEN 'expired' ELSE 'open' END AS state
  FROM invitations i LEFT JOIN users u ON u.id = i.invited_by`;

export function presentInvitation(row: InvitationRow): Invitation {
  return {
    id: row.id,
    email: row.email,
    role: row.role,
    serverGroups: row.server_groups,
    state: row.state,
    invitedBy: { id: row.invited_by, name: row.inviter },
    createdAt: row.created_at.toISOString(),
    expiresAt: row.expires_at.toISOString(),
  };
}
