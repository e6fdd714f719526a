import { METHODS } from '@rahat/contracts';
import type { TenantDatabase } from '@rahat/persistence';
import type { Clock } from '../../clock/clock.js';
import type { DiscoveryService } from '../../databases/discovery.service.js';
import type { ServerRow } from '../../servers/servers.table.js';

const METHODS_BY_DATABASE = Object.entries(METHODS).flatMap(([method, { covers }]) => (covers === 'database' ? [method] : []));

/** Plans that don't name their databases pick up new ones: their servers are asked now and then, each at its own interval. */
export class DiscoverNewDatabases {
  constructor(
    private readonly database: TenantDatabase,
    private readonly discovery: DiscoveryService,
    private readonly everyMs: number,
    private readonly clock: Clock,
  ) {}

  async discoverDue(): Promise<void> {
    const now = this.clock.now();
    const servers = await this.database.asSystem('find servers to ask for new databases', (transaction) =>
      // Stamped first: another replica, or the next tick, doesn't ask again while this one waits for the answer.
      transaction.query<ServerRow>(
        `UPDATE servers SET discovered_at = $2 WHERE id IN (
           SELECT id FROM servers, LATERAL (SELECT make_interval(secs => COALESCE(discovery_minutes * 60, $1)) AS pause) AS own
           WHERE deleted_at IS NULL AND (discovered_at IS NULL OR discovered_at < $2::timestamptz - pause OR discovered_at > $2::timestamptz + pause)
             AND EXISTS (SELECT 1 FROM plans WHERE plans.organization_id = servers.organization_id AND plans.enabled AND plans.deleted_at IS NULL
               AND jsonb_typeof(plans.databases) <> 'array' AND plans.method = ANY ($3::text[])
               AND (servers.id = ANY (server_ids) OR (cardinality(server_groups) + cardinality(server_tags) > 0
                 AND (cardinality(server_groups) = 0 OR server_groups && group_ids) AND tag_terms(servers.tags) @> server_tags)))
           LIMIT 10 FOR UPDATE OF servers SKIP LOCKED) RETURNING *`,
        [this.everyMs / 1000, now, METHODS_BY_DATABASE],
      ),
    );
    // A server that can't be asked is told by its runs.
    await Promise.allSettled(servers.map((server) => this.discovery.discoverOn(server)));
  }
}
