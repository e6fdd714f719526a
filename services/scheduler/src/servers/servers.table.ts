import {
  RahatError,
  type BlackoutWindow,
  type ConnectionKeyName,
  type Engine,
  type PostgresqlAddress,
  type Server,
  type StandbyAddress,
} from '@rahat/contracts';
import type { Tenant, Transaction } from '@rahat/persistence';

export interface ServerRow {
  id: string;
  organization_id: string;
  name: string;
  engine: Engine;
  address: PostgresqlAddress;
  sealed_password: string;
  /** ConnectionKeys. */
  sealed_keys: string | null;
  key_names: ConnectionKeyName[];
  password_set_at: Date;
  pool: string;
  platform: boolean;
  identity: string | null;
  version: string | null;
  group_ids: string[];
  tags: string[];
  note: string;
  heavy_runs: number;
  discovery_minutes: number | null;
  blackouts: BlackoutWindow[];
  standbys: StandbyAddress[];
  discovered_at: Date | null;
  created_at: Date;
  deleted_at: Date | null;
}

export async function findServer(transaction: Transaction, id: string): Promise<ServerRow> {
  const [row] = await transaction.query<ServerRow>(`SELECT * FROM servers WHERE id = $1 AND deleted_at IS NULL`, [id]);
  if (!row) throw new RahatError('not_found', `There is no server ${id}`);
  return row;
}

/** Its groups as the tenant knows them: those that they are not limited to don't exist for them. */
export function presentServer(row: ServerRow, { serverGroups }: Tenant): Server {
  return {
    id: row.id,
    name: row.name,
    engine: row.engine,
    address: row.address,
    pool: row.pool,
    groups: serverGroups === null ? row.group_ids : row.group_ids.filter((group) => serverGroups.includes(group)),
    tags: row.tags,
    heavyRuns: row.heavy_runs,
    discoveryMinutes: row.discovery_minutes,
    blackouts: row.blackouts,
    standbys: row.standbys,
    identity: row.identity,
    version: row.version,
    passwordSetAt: row.password_set_at.toISOString(),
    keys: row.key_names,
    createdAt: row.created_at.toISOString(),
    platform: row.platform,
    note: row.note,
  };
}

/** The identity that a server tells at first is kept; `changed` says that it now tells another one. */
export async function recordIdentity(
  transaction: Transaction,
  id: string,
  seen: { identity: string | null; version: string | null },
): Promise<{ changed: boolean }> {
  const [row] = await transaction.query<{ identity: string | null }>(
    `UPDATE servers SET identity = COALESCE(identity, $2), version = COALESCE($3, version) WHERE id = $1 RETURNING identity`,
    [id, seen.identity, seen.version],
  );
  return { changed: Boolean(row?.identity && seen.identity && row.identity !== seen.identity) };
}

/** Of an entry of the trail. */
export function serverTarget({ id, name }: Pick<ServerRow, 'id' | 'name'>): { kind: 'server'; id: string; name: string } {
  return { kind: 'server', id, name };
}
