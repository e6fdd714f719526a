import type { ServiceDatabase } from '@rahat/persistence';
import type { Clock } from '../../clock/clock.js';
import type { DiscoveryService } from '../../databases/discovery.service.js';
import type { ServerRow } from '../../servers/servers.table.js';

/** Plans for all databases pick up new ones: their servers are asked now and then. */
export class DiscoverNewDatabases {
  constructor(
    private readonly database: ServiceDatabase,
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
           SELECT id FROM servers WHERE deleted_at IS NULL AND (discovered_at IS NULL OR discovered_at < $1 OR discovered_at > $3)
             AND EXISTS (SELECT 1 FROM plans WHERE plans.server_id = servers.id AND plans.enabled AND plans.deleted_at IS NULL AND plans.databases = '"all"' AND plans.method = 'postgresql.logical')
           LIMIT 10 FOR UPDATE SKIP LOCKED) RETURNING *`,
        [new Date(now.getTime() - this.everyMs), now, new Date(now.getTime() + this.everyMs)],
      ),
    );
    // A server that can't be asked is told by its runs.
    await Promise.allSettled(servers.map((server) => this.discovery.discoverOn(server)));
  }
}
