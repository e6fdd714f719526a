import { z } from 'zod';
import { refuseUnlimitable, Role, Scope, ServerGroups } from '../principal.js';
import { LinkToken, NewPassword, PresentPassword } from './credentials.js';

/** A person as a member of the caller's organization. */
export const User = z
  .object({
    id: z.string(),
    name: z.string(),
    email: z.string(),
    role: Role,
    /** What the role is limited to; null is the whole organization. */
    serverGroups: ServerGroups,
    joinedAt: z.iso.datetime(),
    /** Of their sessions in this organization. */
    lastSeenAt: z.iso.datetime().nullable(),
  })
  .meta({ id: 'User' });
export type User = z.infer<typeof User>;

/** Without `serverGroups` the limit stays as it is; null lifts it. */
export const UpdateUser = z
  .object({ role: Role, serverGroups: ServerGroups.optional() })
  .strict()
  .superRefine(refuseUnlimitable)
  .meta({ id: 'UpdateUser' });
export type UpdateUser = z.infer<typeof UpdateUser>;

export const RoleDescription = z
  .object({
    role: Role,
    description: z.string(),
    scopes: z.array(Scope),
    /** Whether it may be limited to server groups. */
    limitable: z.boolean(),
  })
  .meta({ id: 'RoleDescription' });
export type RoleDescription = z.infer<typeof RoleDescription>;
export const RoleList = z.object({ data: z.array(RoleDescription) }).meta({ id: 'RoleList' });
export type RoleList = z.infer<typeof RoleList>;

export const ChangePassword = z
  .object({ currentPassword: PresentPassword, newPassword: NewPassword })
  .strict()
  .meta({ id: 'ChangePassword' });
export type ChangePassword = z.infer<typeof ChangePassword>;

/** The token is shown once; it sets a new password of this user once. */
export const ResetLink = z.object({ user: z.string(), token: z.string(), expiresAt: z.iso.datetime() }).meta({ id: 'ResetLink' });
export type ResetLink = z.infer<typeof ResetLink>;

export const ResetPassword = z.object({ token: LinkToken, password: NewPassword }).strict().meta({ id: 'ResetPassword' });
export type ResetPassword = z.infer<typeof ResetPassword>;
