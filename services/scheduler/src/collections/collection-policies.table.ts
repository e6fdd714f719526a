import { RahatError, type CollectionPolicy } from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';

export interface CollectionPolicyRow {
  repository_id: string;
  organization_id: string;
  cron: string | null;
  time_zone: string;
  undo_days: number;
  pool: string;
  rewrite: boolean;
  planned_until: Date;
  replan: boolean;
}

export const DEFAULT_UNDO_DAYS = 7;

/** A repository that something is stored in is collected in the small hours; each at a minute of its own, which its id says. */
export async function rememberCollection(
  transaction: Transaction,
  repository: { id: string; organization: string; timeZone: string },
  now: Date,
): Promise<void> {
  await transaction.query(
    `INSERT INTO collection_policies (repository_id, organization_id, cron, time_zone, undo_days, planned_until)
     VALUES ($1, $2, ((hashtext($1) & 2147483647) % 60)::text || ' 4 * * *', $3, ${DEFAULT_UNDO_DAYS}, $4) ON CONFLICT DO NOTHING`,
    [repository.id, repository.organization, repository.timeZone, now],
  );
}

export async function findCollectionPolicy(transaction: Transaction, repository: string): Promise<CollectionPolicyRow> {
  const [row] = await transaction.query<CollectionPolicyRow>(`SELECT * FROM collection_policies WHERE repository_id = $1`, [repository]);
  if (!row) throw new RahatError('not_found', `Nothing is known of a repository ${repository}`);
  return row;
}

export function presentCollectionPolicy(row: CollectionPolicyRow): CollectionPolicy {
  return {
    repository: row.repository_id,
    cron: row.cron,
    timeZone: row.time_zone,
    undoDays: row.undo_days,
    pool: row.pool,
    rewrite: row.rewrite,
  };
}
