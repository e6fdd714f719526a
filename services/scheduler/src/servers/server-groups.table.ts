import { RahatError, type ServerGroup } from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';
import { mistaken } from '../input/mistake.js';

export interface ServerGroupRow {
  id: string;
  organization_id: string;
  name: string;
  description: string;
  created_at: Date;
  servers: string;
}

export const COUNTED_GROUPS = `SELECT server_groups.*, (SELECT count(*) FROM servers WHERE deleted_at IS NULL AND group_ids @> ARRAY[server_groups.id]) AS servers FROM server_groups`;

export async function findServerGroup(transaction: Transaction, id: string): Promise<ServerGroupRow> {
  const [row] = await transaction.query<ServerGroupRow>(`${COUNTED_GROUPS} WHERE id = $1`, [id]);
  if (!row) throw new RahatError('not_found', `There is no server group ${id}`);
  return row;
}

export async function assertGroups(transaction: Transaction, ids: readonly string[], pointer: string): Promise<void> {
  const known = new Set(
    (await transaction.query<{ id: string }>(`SELECT id FROM server_groups WHERE id = ANY ($1::text[])`, [ids])).map(({ id }) => id),
  );
  const unknown = ids.flatMap((id, index) =>
    known.has(id) ? [] : [{ pointer: `${pointer}/${index}`, message: `there is no server group ${id}` }],
  );
  if (unknown.length > 0) throw mistaken(...unknown);
}

export function presentServerGroup(row: ServerGroupRow): ServerGroup {
  return {
    id: row.id,
    name: row.name,
    description: row.description,
    servers: Number(row.servers),
    createdAt: row.created_at.toISOString(),
  };
}
