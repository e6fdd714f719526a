import { ROLE_SCOPES, type Role, type Scope } from '@rahat/contracts';

/** A key never reaches further than the present role of the user who made it. */
export function scopesOfKey(keyScopes: readonly Scope[], creatorRole: Role): Scope[] {
  const allowed = ROLE_SCOPES[creatorRole];
  if (allowed.includes('*')) return [...keyScopes];
  if (keyScopes.includes('*')) return [...allowed];
  return keyScopes.filter((scope) => allowed.includes(scope));
}
