import { coveredBy, type DatabaseRow } from '../databases/databases.table.js';
import { plansByServer } from '../plans/plan-servers.js';
import { coversWholeServer, type PlanRow } from '../plans/plans.table.js';
import type { ServerRow } from '../servers/servers.table.js';

export type StatedServer = Pick<ServerRow, 'id' | 'name' | 'engine' | 'group_ids' | 'tags'>;
export type StatedDatabase = Pick<DatabaseRow, 'id' | 'server_id' | 'name' | 'connectable' | 'excluded' | 'missing_since' | 'tags'>;
export type StatedPlan = Pick<PlanRow, 'id' | 'name' | 'enabled' | 'method' | 'databases' | 'server_ids' | 'server_groups' | 'server_tags'>;

/** What the status has a line for: each database (or whole server) that a plan covers, and each database that none does. */
export interface StatedLine {
  server: StatedServer;
  /** `id` is null for a plan that covers the whole server. */
  database: { id: string | null; name: string };
  plan: StatedPlan | null;
}

export function statedLines(
  servers: readonly StatedServer[],
  databases: readonly StatedDatabase[],
  plans: readonly StatedPlan[],
): StatedLine[] {
  const databasesOf = Map.groupBy(databases, (database) => database.server_id);
  const plansOf = plansByServer(plans);
  return servers.flatMap((server) => {
    const found = databasesOf.get(server.id) ?? [];
    const own = plansOf(server);
    const covered = own.flatMap((plan): StatedLine[] =>
      coversWholeServer(plan)
        ? [{ server, database: { id: null, name: 'whole server' }, plan }]
        : coveredBy(plan, found).map((database) => ({ server, database, plan })),
    );
    if (own.some((plan) => coversWholeServer(plan))) return covered;
    const ids = new Set(covered.map(({ database }) => database.id));
    const wanted = found.filter((database) => !database.excluded && !database.missing_since && database.connectable);
    return [...covered, ...wanted.filter(({ id }) => !ids.has(id)).map((database) => ({ server, database, plan: null }))];
  });
}
