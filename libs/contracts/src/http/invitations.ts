import { z } from 'zod';
import { PlainText } from '../plain-text.js';
import { refuseUnlimitable, Role, ServerGroups } from '../principal.js';
import { EmailAddress, LinkToken } from './credentials.js';

export const InvitationState = z.enum(['open', 'accepted', 'revoked', 'expired']);

export const CreateInvitation = z
  .object({ email: EmailAddress, role: Role, serverGroups: ServerGroups.default(null) })
  .strict()
  .superRefine(refuseUnlimitable)
  .meta({ id: 'CreateInvitation' });
export type CreateInvitation = z.infer<typeof CreateInvitation>;

export const Invitation = z
  .object({
    id: z.string(),
    email: z.string(),
    role: Role,
    serverGroups: ServerGroups,
    state: InvitationState,
    invitedBy: z.object({ id: z.string(), name: z.string() }),
    createdAt: z.iso.datetime(),
    expiresAt: z.iso.datetime(),
  })
  .meta({ id: 'Invitation' });
export type Invitation = z.infer<typeof Invitation>;

/** The token is shown once: whoever has it joins as the invited. */
export const CreatedInvitation = Invitation.extend({ token: z.string() }).meta({ id: 'CreatedInvitation' });
export type CreatedInvitation = z.infer<typeof CreatedInvitation>;

export const LookAtInvitation = z.object({ token: LinkToken }).strict().meta({ id: 'LookAtInvitation' });
export type LookAtInvitation = z.infer<typeof LookAtInvitation>;

export const InvitationForGuest = z
  .object({
    organization: z.object({ id: z.string(), name: z.string() }),
    email: z.string(),
    role: Role,
    expiresAt: z.iso.datetime(),
    /** The e-mail has an account already: its password is asked for, not a new one. */
    accountExists: z.boolean(),
  })
  .meta({ id: 'InvitationForGuest' });
export type InvitationForGuest = z.infer<typeof InvitationForGuest>;

export const AcceptInvitation = z
  .object({
    token: LinkToken,
    /** Needed for a new account. */
    name: PlainText.trim().min(1).max(100).optional(),
    /** A new one; or the present one where the e-mail has an account already. */
    password: z.string().min(1).max(1024),
  })
  .strict()
  .meta({ id: 'AcceptInvitation' });
export type AcceptInvitation = z.infer<typeof AcceptInvitation>;

/** No session comes of it: the log-in that follows asks for all that log-ins ask for. */
export const AcceptedInvitation = z
  .object({ user: z.string(), email: z.string(), role: Role, organization: z.object({ id: z.string(), name: z.string() }) })
  .meta({ id: 'AcceptedInvitation' });
export type AcceptedInvitation = z.infer<typeof AcceptedInvitation>;
