import { firstIdAt, type BackupQuery } from '@rahat/contracts';
import type { Tenant } from '@rahat/persistence';
import { ListConditions } from '../catalog/found-ids.js';

export const BACKUP_ORDER = 'id DESC';

/** Ids begin with the time at which a backup was recorded, so the order of ids is that of time. */
export function backupConditions(tenant: Tenant, query: Omit<BackupQuery, 'cursor' | 'limit'>, after?: string): ListConditions {
  const { since, until } = query;
  const conditions = new ListConditions(tenant)
    .where('id < ?', after)
    .where('id >= ?', since && firstIdAt('backup', new Date(since)))
    .where('id < ?', until && firstIdAt('backup', new Date(until)))
    .where('server_id = ?', query.server)
    .where('database_id = ?', query.database)
    .where('plan_id = ?', query.plan)
    .where('repository_id = ?', query.repository)
    .where('state = ?', query.state)
    .where('proof = ?', query.proof)
    .where('backup_type = ?', query.type)
    .tagged(query.tag)
    .searched(query.q);
  return query.removed === 'true' ? conditions : conditions.where('removed_at IS NULL');
}
