import { z } from 'zod';

export const Role = z.enum(['owner', 'admin', 'operator', 'viewer', 'auditor']);
export type Role = z.infer<typeof Role>;

/** `noun:verb`; `*` stands for every scope (owner). */
export const Scope = z.enum([
  '*',
  'organization:read',
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
  'audit:write',
]);
export type Scope = z.infer<typeof Scope>;

const READ: Scope[] = ['organization:read', 'server:read', 'plan:read', 'run:read', 'backup:read', 'storage:read'];

export const ROLE_SCOPES: Record<Role, readonly Scope[]> = {
  owner: ['*'],
  admin: ['*'],
  operator: [...READ, 'run:write', 'backup:write', 'restore:write'],
  viewer: READ,
  auditor: [...READ, 'audit:read'],
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
