import { z } from 'zod';
import { Role, Scope } from '../principal.js';
import { LinkToken, NewPassword, PresentPassword } from './credentials.js';

/** A person as a member of the caller's organization. */
export const User = z
  .object({
    id: z.string(),
    name: z.string(),
    email: z.string(),
    role: Role,
    joinedAt: z.iso.datetime(),
    /** Of their sessions in this organization. */
    lastSeenAt: z.iso.datetime().nullable(),
  })
  .meta({ id: 'User' });
export type User = z.infer<typeof User>;

export const UpdateUser = z.object({ role: Role }).strict().meta({ id: 'UpdateUser' });
export type UpdateUser = z.infer<typeof UpdateUser>;

export const RoleDescription = z.object({ role: Role, description: z.string(), scopes: z.array(Scope) }).meta({ id: 'RoleDescription' });
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
