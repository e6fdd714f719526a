import type { LimitedRole, Role, SignOnProvider } from '@rahat/contracts';

/** From the strongest to the weakest; an owner is never made by a provider. */
const BY_STRENGTH: Exclude<Role, 'owner'>[] = ['admin', 'operator', 'auditor', 'viewer'];

/** The strongest role that any of the groups gives, wherever they give it; undefined keeps the user out. */
export function roleOf(groups: readonly string[], rules: Pick<SignOnProvider, 'roles' | 'otherwise'>): LimitedRole | undefined {
  const given = rules.roles.filter(({ group }) => groups.includes(group));
  const strongest = BY_STRENGTH.find((role) => given.some((rule) => rule.role === role));
  if (strongest === undefined) return rules.otherwise === null ? undefined : { role: rules.otherwise, serverGroups: null };
  const limits = given.filter(({ role }) => role === strongest).map(({ serverGroups }) => serverGroups);
  return { role: strongest, serverGroups: limits.includes(null) ? null : [...new Set(limits.flatMap((limit) => limit ?? []))] };
}

/** A claim as providers write it: a list of names, or one name. Anything else names no group. */
export function groupsIn(claim: unknown): string[] {
  if (typeof claim === 'string') return [claim];
  return Array.isArray(claim) ? claim.filter((group) => typeof group === 'string') : [];
}

export function isOfDomain(email: string, domains: readonly string[]): boolean {
  const at = email.lastIndexOf('@');
  return domains.length === 0 || (at > 0 && domains.includes(email.slice(at + 1).toLowerCase()));
}
