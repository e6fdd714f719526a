import { z } from 'zod';
import { PlainText } from '../plain-text.js';
import { refuseUnlimitable, Role, ServerGroups } from '../principal.js';

/** An identity provider makes nobody an owner: that stays with those who can log in without it. */
const SignOnRole = Role.exclude(['owner']);
const Domain = z
  .string()
  .toLowerCase()
  .regex(/^([a-z0-9-]+\.)+[a-z0-9-]+$/, 'expected a domain as example.org')
  .max(253);

const shape = {
  name: PlainText.min(1).max(100),
  /** As the provider writes it; its `/.well-known/openid-configuration` is read from there. */
  issuer: z.url({ protocol: /^https?$/ }).max(2000),
  clientId: z.string().min(1).max(500),
  scopes: z
    .array(
      z
        .string()
        .regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/, 'expected a scope')
        .max(200),
    )
    .max(30),
  /** Of the ID token or the user info: a list of names, or one. */
  groupClaim: z.string().min(1).max(200),
  /** Of several that hold the strongest role counts, within the server groups of all that give it. */
  roles: z
    .array(
      z
        .object({ group: z.string().min(1).max(500), role: SignOnRole, serverGroups: ServerGroups.default(null) })
        .strict()
        .superRefine(refuseUnlimitable),
    )
    .max(200),
  /** Of who is in no group above; null keeps them out. */
  otherwise: SignOnRole.nullable(),
  /** None means any. */
  emailDomains: z.array(Domain).max(100),
  /** Else only who was added before can come in. */
  createsUsers: z.boolean(),
  enabled: z.boolean(),
};
const ClientSecret = z.string().min(1).max(2000);

export const CreateSignOnProvider = z
  .object({
    name: shape.name,
    issuer: shape.issuer,
    clientId: shape.clientId,
    /** Without one the client is a public one, and PKCE alone protects it. */
    clientSecret: ClientSecret.optional(),
    scopes: shape.scopes.default(['openid', 'email', 'profile']),
    groupClaim: shape.groupClaim.default('groups'),
    roles: shape.roles.default([]),
    otherwise: shape.otherwise.default(null),
    emailDomains: shape.emailDomains.default([]),
    createsUsers: shape.createsUsers.default(false),
  })
  .strict()
  .meta({ id: 'CreateSignOnProvider' });
export type CreateSignOnProvider = z.infer<typeof CreateSignOnProvider>;

export const UpdateSignOnProvider = z
  .object({
    name: shape.name.optional(),
    clientSecret: ClientSecret.optional(),
    scopes: shape.scopes.optional(),
    groupClaim: shape.groupClaim.optional(),
    roles: shape.roles.optional(),
    otherwise: shape.otherwise.optional(),
    emailDomains: shape.emailDomains.optional(),
    createsUsers: shape.createsUsers.optional(),
    enabled: shape.enabled.optional(),
  })
  .strict()
  .meta({ id: 'UpdateSignOnProvider' });
export type UpdateSignOnProvider = z.infer<typeof UpdateSignOnProvider>;

/** The client's secret is never shown. */
export const SignOnProvider = z
  .object({
    id: z.string(),
    ...shape,
    hasClientSecret: z.boolean(),
    /** Where a browser begins, and where the provider sends it back to; the latter is registered there. */
    startUri: z.string(),
    redirectUri: z.string(),
    createdAt: z.iso.datetime(),
  })
  .meta({ id: 'SignOnProvider' });
export type SignOnProvider = z.infer<typeof SignOnProvider>;
export const SignOnProviders = z.object({ data: z.array(SignOnProvider) }).meta({ id: 'SignOnProviders' });
export type SignOnProviders = z.infer<typeof SignOnProviders>;
