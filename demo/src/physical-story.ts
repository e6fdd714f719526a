import path from 'node:path';
import { restorePlansCreate, restoresRun } from '@rahat/api-client';
import type { PostgresqlConnection } from '@rahat/contracts';
import { startThrowawayServer } from '@rahat/execution';
import type { DemoResult } from './demo-result.js';
import type { Platform } from './platform.js';
import { backUpAndProve, protect } from './protection.js';
import { data, succeeded, tell } from './steps.js';
import { mismatches, proveTables, withClient } from './table-proof.js';

/** Without client tools of the server's major version: the whole server by the replication protocol. */
export async function tellPhysicalStory(
  platform: Platform,
  connection: PostgresqlConnection,
  folder: string,
  toolFolders: string[],
): Promise<Omit<DemoResult, 'seconds' | 'serverVersion' | 'databaseBytes'>> {
  const { client } = platform;
  const { plan } = await protect(platform, connection, 'postgresql.physical', folder);
  const first = await backUpAndProve(platform, plan);
  tell(`✓ first backup of the whole server: ${(first.addedBytes / 1e6).toFixed(1)} MB stored, proven by a test restore`);
  await withClient(connection, 'shop', (shop) =>
    shop.query(`UPDATE shop.orders SET status = 'shipped' WHERE id > (SELECT max(id) - 1000 FROM shop.orders)`),
  );
  const before = await proveTables(connection, 'shop');
  const second = await backUpAndProve(platform, plan);
  tell(`✓ second backup after a small change: ${(second.addedBytes / 1e6).toFixed(1)} MB stored`);

  const target = path.join(folder, 'restored');
  const restorePlan = await data(restorePlansCreate({ client, body: { backup: second.id, target: { kind: 'folder', path: target } } }));
  await succeeded(client, (await data(restoresRun({ client, body: { plan: restorePlan.id, hash: restorePlan.hash } }))).id);
  await using restored = await startThrowawayServer({
    dataFolder: target,
    scratchFolder: folder,
    toolFolders,
    signal: AbortSignal.timeout(120_000),
  });
  const differences = mismatches(before, await proveTables(restored.connection, 'shop'));
  tell(
    differences.length === 0
      ? '✓ restored to a folder and started: every table compared by PostgreSQL’s own hashes, none differs'
      : `✗ differs: ${differences.join(', ')}`,
  );

  return {
    proven: differences.length === 0,
    method: 'physical',
    tables: before.length,
    rows: before.reduce((sum, { rows }) => sum + rows, 0),
    mismatches: differences.length,
    firstStoredBytes: first.addedBytes,
    secondStoredBytes: second.addedBytes,
    lostTableRestored: false,
  };
}
