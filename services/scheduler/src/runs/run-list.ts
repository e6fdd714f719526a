import type { RunQuery } from '@rahat/contracts';
import type { Tenant } from '@rahat/persistence';
import { ListConditions } from '../catalog/found-ids.js';

export const RUN_ORDER = 'due_at DESC, id DESC';

/** Expected runs are the future, and are listed only when asked for. */
export function runConditions(
  tenant: Tenant,
  query: Omit<RunQuery, 'cursor' | 'limit'>,
  [dueAt, id]: readonly string[] = [],
): ListConditions {
  const conditions = new ListConditions(tenant)
    .where('(due_at, id) < (?::timestamptz, ?)', dueAt, id)
    .where('due_at >= ?', query.since)
    .where('due_at < ?', query.until)
    .where('state = ?', query.state)
    .where('type = ?', query.type)
    .where('server_id = ?', query.server)
    .where('database_id = ?', query.database)
    .where('plan_id = ?', query.plan)
    .where('backup_id = ?', query.backup)
    .where('repository_id = ?', query.repository)
    .tagged(query.tag)
    .searched(query.q);
  return query.state === 'expected' ? conditions : conditions.where(`state <> 'expected'`);
}
