import type { Transaction } from '@rahat/persistence';
import { coveredBy, databasesOf } from '../databases/databases.table.js';
import { serversOf } from '../plans/plan-servers.js';
import { coversWholeServer, type PlanRow } from '../plans/plans.table.js';
import type { ServerRow } from '../servers/servers.table.js';

/** What one run of a plan backs up. */
export interface Covered {
  server: ServerRow;
  /** Null = the whole server. */
  database: { id: string; name: string } | null;
}

export async function coverageOf(transaction: Transaction, plan: PlanRow): Promise<Covered[]> {
  const covered: Covered[] = [];
  for (const server of await serversOf(transaction, plan)) {
    if (coversWholeServer(plan)) covered.push({ server, database: null });
    else covered.push(...coveredBy(plan, await databasesOf(transaction, server.id)).map((database) => ({ server, database })));
  }
  return covered;
}
