/** Which service owns a public path, by the first segment behind `/api/v2/` (design.md §3). */
const OWNERS: Record<string, Owner> = {
  'api-keys': 'auth',
  'device-logins': 'auth',
  invitations: 'auth',
  me: 'auth',
  organization: 'auth',
  organizations: 'auth',
  'password-resets': 'auth',
  roles: 'auth',
  sessions: 'auth',
  setup: 'auth',
  'sign-on': 'auth',
  'sign-on-providers': 'auth',
  users: 'auth',
  backups: 'scheduler',
  catalog: 'scheduler',
  collections: 'scheduler',
  comparisons: 'scheduler',
  'dead-letters': 'scheduler',
  documents: 'scheduler',
  events: 'scheduler',
  'log-pushes': 'scheduler',
  plans: 'scheduler',
  'restore-plans': 'scheduler',
  restores: 'scheduler',
  runs: 'scheduler',
  'saved-searches': 'scheduler',
  scheduling: 'scheduler',
  search: 'scheduler',
  'server-groups': 'scheduler',
  servers: 'scheduler',
  status: 'scheduler',
  templates: 'scheduler',
  trash: 'scheduler',
  repositories: 'storage',
  storages: 'storage',
  audit: 'audit',
};

/** Services that have public paths. */
export const OWNING_SERVICES = ['auth', 'scheduler', 'storage', 'audit'] as const;
export type Owner = (typeof OWNING_SERVICES)[number];

/** Undefined for what is the gateway's own, or nobody's. Case and trailing slashes don't count, as for Express. */
export function ownerOf(url: string): Owner | undefined {
  const path = url.split('?', 1)[0]!.toLowerCase();
  if (path.startsWith('/.well-known/')) return 'auth';
  const segment = /^\/api\/v2\/([^/]+)/.exec(path)?.[1];
  return segment !== undefined && Object.hasOwn(OWNERS, segment) ? OWNERS[segment] : undefined;
}
