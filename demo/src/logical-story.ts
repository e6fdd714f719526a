import { restorePlansCreate, restoresRun, type Backup } from '@rahat/api-client';
import type { PostgresqlConnection, TableName } from '@rahat/contracts';
import type { DemoResult } from './demo-result.js';
import type { Platform } from './platform.js';
import { backUpAndProve, protect } from './protection.js';
import { data, succeeded, tell } from './steps.js';
import { mismatches, proveTables, withClient } from './table-proof.js';

const LOST: TableName = { schema: 'billing', table: 'payments' };
const RESTORED = 'shop_restored';
const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;

/** Back up, change a little, back up again, lose a table, bring it back, restore the whole beside the original, compare everything. */
export async function tellLogicalStory(
  platform: Platform,
  connection: PostgresqlConnection,
  folder: string,
): Promise<Omit<DemoResult, 'seconds' | 'serverVersion' | 'databaseBytes'>> {
  const { plan } = await protect(platform, connection, 'postgresql.logical', folder);
  const first = await backUpAndProve(platform, plan);
  tell(
    `✓ first backup: ${megabytes(first.sizeBytes)} read, ${megabytes(first.addedBytes)} stored, proven by a test restore (${first.rows} rows compared)`,
  );

  await withClient(connection, 'shop', (client) =>
    client.query(`UPDATE shop.orders SET status = 'shipped' WHERE id > (SELECT max(id) - 1000 FROM shop.orders)`),
  );
  const second = await backUpAndProve(platform, plan);
  tell(
    `✓ second backup after a small change: ${megabytes(second.addedBytes)} stored, ${((100 * second.addedBytes) / first.addedBytes).toFixed(1)} % of the first`,
  );

  const before = await proveTables(connection, 'shop');
  await withClient(connection, 'shop', (client) => client.query(`DROP TABLE ${LOST.schema}.${LOST.table}`));
  tell(`✗ lost: somebody dropped ${LOST.schema}.${LOST.table}`);
  await restore(platform, second, { target: { kind: 'database', name: 'shop', replace: false }, tables: [LOST], intoExisting: true });
  const tableDifferences = mismatches(before, await proveTables(connection, 'shop'));
  tell(
    tableDifferences.length === 0
      ? `✓ ${LOST.schema}.${LOST.table} is back, every row compared`
      : `✗ differs: ${tableDifferences.join(', ')}`,
  );

  await restore(platform, second, { target: { kind: 'database', name: RESTORED, replace: false } });
  const restored = await proveTables(connection, RESTORED);
  const differences = mismatches(before, restored);
  tell(
    differences.length === 0
      ? `✓ restored as ${RESTORED}: ${restored.length} tables compared by PostgreSQL's own hashes, none differs`
      : `✗ differs: ${differences.join(', ')}`,
  );

  return {
    proven: differences.length === 0 && tableDifferences.length === 0,
    method: 'logical',
    tables: before.length,
    rows: before.reduce((sum, { rows }) => sum + rows, 0),
    mismatches: differences.length + tableDifferences.length,
    firstStoredBytes: first.addedBytes,
    secondStoredBytes: second.addedBytes,
    lostTableRestored: tableDifferences.length === 0,
  };
}

async function restore(
  platform: Platform,
  backup: Backup,
  request: { target: { kind: 'database'; name: string; replace: boolean }; tables?: TableName[]; intoExisting?: boolean },
): Promise<void> {
  const { client } = platform;
  const plan = await data(restorePlansCreate({ client, body: { backup: backup.id, ...request } }));
  const run = await data(
    restoresRun({ client, body: { plan: plan.id, hash: plan.hash, confirm: request.intoExisting ? request.target.name : undefined } }),
  );
  await succeeded(client, run.id);
}
