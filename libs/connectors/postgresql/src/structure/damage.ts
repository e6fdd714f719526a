import type { Finding } from '@rahat/contracts';

/** What the server said about one relation, as a finding that ends a verification. */
export function damaged(relation: string, message: string, more = 0): Finding {
  return {
    code: 'structure_damaged',
    severity: 'blocker',
    object: relation,
    message: `${relation} is damaged: ${message}${more > 0 ? ` (and ${more} more faults)` : ''}`,
    fix: 'Look for the same fault on the source (pg_amcheck), repair it there (REINDEX, or a restore of the table from an older backup), and take a new backup.',
  };
}
