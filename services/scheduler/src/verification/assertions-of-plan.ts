import type { Assertion, VerificationLevel } from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';
import type { BackupRow } from '../backups/backups.table.js';

/** What a test restore of this backup has to ask: everything that its plan asks of this database. A backup of a whole server is asked all of it. */
export async function assertionsFor(
  transaction: Transaction,
  backup: Pick<BackupRow, 'plan_id' | 'database_name'>,
  level: VerificationLevel,
): Promise<Assertion[]> {
  if (level !== 'FULL') return [];
  const [plan] = await transaction.inWholeOrganization(() =>
    transaction.query<{ assertions: Assertion[] }>(`SELECT assertions FROM plans WHERE id = $1`, [backup.plan_id]),
  );
  return (plan?.assertions ?? []).filter(
    ({ database }) => database === undefined || backup.database_name === null || database === backup.database_name,
  );
}
