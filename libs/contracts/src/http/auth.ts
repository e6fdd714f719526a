import { z } from 'zod';
import { PlainText } from '../plain-text.js';
import { Role, Scope, ServerGroups } from '../principal.js';
import { EmailAddress, NewPassword, PresentPassword } from './credentials.js';

export const SetupState = z.object({ ownerExists: z.boolean() }).meta({ id: 'SetupState' });
export const SetupRequest = z
  .object({
    token: z.string().min(1),
    organization: PlainText.min(1).max(100).default('My organization'),
    name: PlainText.min(1).max(100),
    email: EmailAddress,
    password: NewPassword,
  })
  .strict()
  .meta({ id: 'SetupRequest' });
export type SetupRequest = z.infer<typeof SetupRequest>;

export const LoginRequest = z.object({ email: EmailAddress, password: PresentPassword }).strict().meta({ id: 'LoginRequest' });
export type LoginRequest = z.infer<typeof LoginRequest>;

export const TokenPair = z
  .object({ accessToken: z.string(), expiresInSeconds: z.number().int(), refreshToken: z.string() })
  .meta({ id: 'TokenPair' });
export type TokenPair = z.infer<typeof TokenPair>;
export const RefreshRequest = z.object({ refreshToken: z.string().optional() }).strict().meta({ id: 'RefreshRequest' });
export type RefreshRequest = z.infer<typeof RefreshRequest>;

export const Me = z
  .object({
    id: z.string(),
    kind: z.enum(['user', 'api-key', 'service']),
    name: z.string(),
    role: Role,
    scopes: z.array(Scope),
    /** What their role is limited to; null is the whole organization. */
    serverGroups: ServerGroups,
    organization: z.object({ id: z.string(), name: z.string() }),
  })
  .meta({ id: 'Me' });
export type Me = z.infer<typeof Me>;

/** Asked by the gateway at auth (`POST /internal/v1/authenticate`): a bearer credential → who it is. */
export const AuthenticateRequest = z.object({ credential: z.string(), address: z.string() }).strict();
export const AuthenticatedSubject = z.object({
  kind: z.enum(['user', 'api-key']),
  subject: z.string(),
  name: z.string(),
  organization: z.string(),
  role: Role,
  scopes: z.array(Scope),
  serverGroups: z.array(z.string()).nullable().default(null),
  expiresAt: z.iso.datetime(),
  session: z.string().optional(),
  mustEnrol: z.boolean().optional(),
  /** An API key's own limit, where it has one. */
  requestsPerMinute: z.number().int().min(1).optional(),
});
export type AuthenticatedSubject = z.infer<typeof AuthenticatedSubject>;

/** The same of all credentials that a gateway knows already (`POST /internal/v1/authenticate/again`); in their order, null for one that lets nobody in any more. */
export const AuthenticateAgainRequest = z.object({ asked: z.array(AuthenticateRequest).max(1_000) }).strict();
export const AuthenticatedAgain = z.object({ subjects: z.array(AuthenticatedSubject.nullable()) });
