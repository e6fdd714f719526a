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
  'restore:write',
  'storage:read',
  'storage:write',
  'audit:read',
  'dead-letter:write',
]);
export type Scope = z.infer<typeof Scope>;

const READ: Scope[] = ['organization:read', 'server:read', 'plan:read', 'run:read', 'backup:read', 'storage:read'];

/** An owner of an organization may run hooks and use folders of the platform's machine, so making a further one isn't for everybody. */
const OWNERS_ONLY: readonly Scope[] = ['*', 'organization:create'];

export const ROLE_SCOPES: Record<Role, readonly Scope[]> = {
  owner: ['*'],
  admin: Scope.options.filter((scope) => !OWNERS_ONLY.includes(scope)),
  operator: [...READ, 'run:write', 'backup:write', 'restore:write'],
  viewer: READ,
  auditor: [...READ, 'user:read', 'api-key:read', 'audit:read'],
};

/** The caller as every service sees it: claims of the gateway's 60 s ES256 token (design.md §3). */
export const Principal = z.object({
  kind: z.enum(['user', 'api-key', 'service']),
  subject: z.string(),
  name: z.string(),
  organization: z.string(),
  role: Role,
  scopes: z.array(Scope),
  address: z.string(),
  requestId: z.string(),
  /** The session behind a user's request, so that it can end itself. */
  session: z.string().optional(),
});
export type Principal = z.infer<typeof Principal>;

export function allows(principal: Pick<Principal, 'scopes'>, scope: Scope): boolean {
  return principal.scopes.includes('*') || principal.scopes.includes(scope);
}

/** Whether someone with `scopes` may do all that `role` may do. Nobody gives, changes or takes away a role that reaches further than himself. */
export function covers(scopes: readonly Scope[], role: Role): boolean {
  return ROLE_SCOPES[role].every((scope) => allows({ scopes: [...scopes] }, scope));
}
