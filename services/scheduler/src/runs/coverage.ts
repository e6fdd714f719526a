import type { Transaction } from '@rahat/persistence';
import { coveredBy, databasesOf, type DatabaseRow } from '../databases/databases.table.js';
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
    const databases = coversWholeServer(plan) ? [] : await databasesOf(transaction, server.id);
    covered.push(...coveredOn(plan, server, databases));
  }
  return covered;
}

/** Of one server of the plan, which has these databases. */
export function coveredOn(plan: PlanRow, server: ServerRow, databases: readonly DatabaseRow[]): Covered[] {
  if (coversWholeServer(plan)) return [{ server, database: null }];
  return coveredBy(plan, databases).map((database) => ({ server, database }));
}
