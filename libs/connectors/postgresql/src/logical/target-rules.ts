import type { Finding } from '@rahat/contracts';
import type { TocEntry } from './archive-toc.js';

/** Roles of hosting providers in whose name no customer can act (neon#12136, pgcopydb#8, #174). */
const ROLES_OF_PROVIDERS = new Set(['rdsadmin', 'cloud_admin', 'cloudsqladmin', 'alloydbadmin', 'azuresu', 'supabase_admin']);
const MOST_NAMES = 20;

export interface TargetUser {
  superuser: boolean;
  /** Roles of the backup that the target has. */
  roles: ReadonlySet<string>;
}

/** Why entries can't succeed on this target, and what that means. */
interface Rule {
  applies(entry: TocEntry, user: TargetUser): boolean;
  severity: Finding['severity'];
  message: string;
}

const RULES: readonly Rule[] = [
  {
    applies: (entry, user) => !user.superuser && entry.description === 'COMMENT' && entry.tag.startsWith('EXTENSION '),
    severity: 'info',
    message: 'Comments on extensions are left out: the user of the target does not own the extensions there.',
  },
  {
    applies: (entry, user) => !user.superuser && entry.description === 'EXTENSION' && entry.tag === 'plpgsql',
    severity: 'info',
    message: 'The extension plpgsql is left out: every database has it, and it belongs to the server.',
  },
  {
    applies: (entry, user) =>
      !user.superuser &&
      ((entry.description === 'SCHEMA' && entry.tag === 'public') ||
        (entry.description === 'COMMENT' && /^SCHEMA "?public"?$/.test(entry.tag))),
    severity: 'info',
    message: 'The schema public of the target keeps its owner and comment: the user of the target does not own it.',
  },
  {
    applies: (entry, user) =>
      entry.description === 'DEFAULT ACL' && ROLES_OF_PROVIDERS.has(entry.owner) && !(user.superuser && user.roles.has(entry.owner)),
    severity: 'warning',
    message:
      "Default rights on objects that a hosting provider's own role will make are left out: nobody else may set them, and no object of the backup needs them.",
  },
];

/** Takes out what can't succeed on the target (engines.md §3.4), each kind with a finding that names what it is. */
export function leaveOut(entries: readonly TocEntry[], user: TargetUser): { entries: TocEntry[]; findings: Finding[] } {
  const kept: TocEntry[] = [];
  const left = new Map<Rule, TocEntry[]>();
  for (const entry of entries) {
    const rule = RULES.find((candidate) => candidate.applies(entry, user));
    if (!rule) kept.push(entry);
    else left.set(rule, [...(left.get(rule) ?? []), entry]);
  }
  const findings = [...left].map(([rule, out]): Finding => {
    const names = out.map((entry) => (entry.description === 'DEFAULT ACL' ? `${entry.tag} of ${entry.owner}` : entry.tag));
    return { code: 'left_out_for_target', severity: rule.severity, object: names.slice(0, MOST_NAMES).join(', '), message: rule.message };
  });
  return { entries: kept, findings };
}

/** Whether a role of a hosting provider is only named by what was left out. */
export function neededOnlyByProvider(role: string, entries: readonly TocEntry[]): boolean {
  if (!ROLES_OF_PROVIDERS.has(role)) return false;
  // Names in the archive are quoted (--quote-all-identifiers).
  return !entries.some((entry) => entry.owner === role || entry.definition.includes(`"${role}"`));
}
