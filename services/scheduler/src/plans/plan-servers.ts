import { carriesTags, METHODS } from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';
import type { ServerRow } from '../servers/servers.table.js';
import { selectsByGroupOrTag, type PlanRow } from './plans.table.js';

type Selection = Pick<PlanRow, 'server_ids' | 'server_groups' | 'server_tags' | 'method'>;
type SelectedServer = Pick<ServerRow, 'id' | 'group_ids' | 'tags' | 'engine'>;

/** A named server is selected; another one when it is in one of the groups, where groups are named, and carries all of the tags. */
export function selectsServer(plan: Selection, server: SelectedServer): boolean {
  if (METHODS[plan.method].engine !== server.engine) return false;
  if (plan.server_ids.includes(server.id)) return true;
  if (!selectsByGroupOrTag(plan)) return false;
  const inGroup = plan.server_groups.length === 0 || plan.server_groups.some((group) => server.group_ids.includes(group));
  return inGroup && carriesTags(server.tags, plan.server_tags);
}

/** The plans that select a server, in their order; without asking each plan about each server. */
export function plansByServer<Plan extends Selection>(plans: readonly Plan[]): (server: SelectedServer) => Plan[] {
  const naming = new Map<string, number[]>();
  const choosing: number[] = [];
  for (const [place, plan] of plans.entries()) {
    for (const id of plan.server_ids) {
      const places = naming.get(id);
      if (places) places.push(place);
      else naming.set(id, [place]);
    }
    if (selectsByGroupOrTag(plan)) choosing.push(place);
  }
  return (server) =>
    [...new Set([...(naming.get(server.id) ?? []), ...choosing])]
      .sort((a, b) => a - b)
      .map((place) => plans[place]!)
      .filter((plan) => selectsServer(plan, server));
}

/** The servers of a plan as it stands, by name. The same rule as `selectsServer`. */
export async function serversOf(transaction: Transaction, plan: PlanRow): Promise<ServerRow[]> {
  return transaction.query<ServerRow>(
    `SELECT * FROM servers WHERE organization_id = $1 AND deleted_at IS NULL AND engine = $2 AND (id = ANY ($3::text[])
       OR ($6 AND (cardinality($4::text[]) = 0 OR group_ids && $4) AND tag_terms(tags) @> $5::text[])) ORDER BY name, id`,
    [plan.organization_id, METHODS[plan.method].engine, plan.server_ids, plan.server_groups, plan.server_tags, selectsByGroupOrTag(plan)],
  );
}

/** The ledger of every plan that covers this server, or covered it until now, is written anew. */
export async function replanFor(
  transaction: Transaction,
  ...states: Pick<ServerRow, 'id' | 'organization_id' | 'group_ids' | 'tags' | 'engine'>[]
): Promise<void> {
  await transaction.inWholeOrganization(async () => {
    const plans = await transaction.query<PlanRow>(`SELECT * FROM plans WHERE organization_id = $1 AND deleted_at IS NULL`, [
      states[0]!.organization_id,
    ]);
    const touched = plans.filter((plan) => states.some((server) => selectsServer(plan, server))).map((plan) => plan.id);
    await transaction.query(`UPDATE plans SET replan = true WHERE id = ANY ($1::text[])`, [touched]);
  });
}
