import { z } from 'zod';

export const Role = z.enum(['owner', 'admin', 'operator', 'viewer', 'auditor']);
export type Role = z.infer<typeof Role>;

/** `noun:verb`; `*` stands for every scope (owner), those of the future included. */
export const Scope = z.enum([
  '*',
  'organization:read',
  'organization:write',
  'organization:create',
  'user:read',
  'user:write',
  'api-key:read',
  'api-key:write',
  'server:read',
  'server:write',
  'plan:read',
  'plan:write',
  'run:read',
  'run:write',
  'backup:read',
  'backup:write',
  'backup:download',
  'restore:write',
  'storage:read',
  'storage:write',
  'audit:read',
  'audit:write',
  'dead-letter:write',
]);
export type Scope = z.infer<typeof Scope>;

const READ: Scope[] = ['organization:read', 'server:read', 'plan:read', 'run:read', 'backup:read', 'storage:read'];

/** An owner of an organization may run hooks and use folders of the platform's machine, so making a further one isn't for everybody. */
const OWNERS_ONLY: readonly Scope[] = ['*', 'organization:create'];

export const ROLE_SCOPES: Record<Role, readonly Scope[]> = {
  owner: ['*'],
  admin: Scope.options.filter((scope) => !OWNERS_ONLY.includes(scope)),
  operator: [...READ, 'run:write', 'backup:write', 'backup:download', 'restore:write'],
  viewer: READ,
  auditor: [...READ, 'user:read', 'api-key:read', 'audit:read'],
};

/** Roles that may be limited to server groups. An owner owns all, and the trail that an auditor reads is that of the whole organization. */
export const LIMITABLE_ROLES: readonly Role[] = ['admin', 'operator', 'viewer'];

/** Ids of the server groups that a role is limited to; null is the whole organization. A group that was deleted since reaches nothing. */
export const ServerGroups = z
  .array(z.string().regex(/^group_\w{1,64}$/, 'expected the id of a server group'))
  .min(1)
  .max(100)
  .nullable();

/** For a schema with a role and its server groups. */
export function refuseUnlimitable(
  { role, serverGroups }: { role?: Role; serverGroups?: readonly string[] | null },
  context: z.RefinementCtx,
): void {
  if (role !== undefined && serverGroups && !LIMITABLE_ROLES.includes(role))
    context.addIssue({ code: 'custom', path: ['serverGroups'], message: `an ${role} is for the whole organization` });
}

/** The caller as every service sees it: claims of the gateway's 60 s ES256 token (design.md §3). */
export const Principal = z.object({
  kind: z.enum(['user', 'api-key', 'service']),
  subject: z.string(),
  name: z.string(),
  organization: z.string(),
  role: Role,
  scopes: z.array(Scope),
  /** Of what hangs on a server they reach what is in these groups and nothing else; null is the whole organization. */
  serverGroups: z.array(z.string()).nullable().default(null),
  address: z.string(),
  requestId: z.string(),
  /** The session behind a user's request, so that it can end itself. */
  session: z.string().optional(),
  /** The organization requires a second factor, and this session has shown none: it may do nothing but add one. */
  mustEnrol: z.boolean().optional(),
});
export type Principal = z.infer<typeof Principal>;

export function allows(principal: Pick<Principal, 'scopes'>, scope: Scope): boolean {
  return principal.scopes.includes('*') || principal.scopes.includes(scope);
}

/** What somebody may do, and where: null is everywhere in the organization. */
export interface Reach {
  scopes: readonly Scope[];
  serverGroups: readonly string[] | null;
}

export interface LimitedRole {
  role: Role;
  serverGroups: readonly string[] | null;
}

/** Whether someone may do all that a role may do, everywhere where it may. Nobody gives, changes or takes away a role that reaches further than himself. */
export function covers({ scopes, serverGroups }: Reach, { role, serverGroups: others }: LimitedRole): boolean {
  return ROLE_SCOPES[role].every((scope) => allows({ scopes: [...scopes] }, scope)) && coversGroups(serverGroups, others);
}

export function coversGroups(own: readonly string[] | null, others: readonly string[] | null): boolean {
  return own === null || (others !== null && others.every((group) => own.includes(group)));
}
