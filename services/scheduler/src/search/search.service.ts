import type { Principal, SearchQuery, SearchResult } from '@rahat/contracts';
import type { BackupsService } from '../backups/backups.service.js';
import type { PlansService } from '../plans/plans.service.js';
import type { RunsService } from '../runs/runs.service.js';
import type { ServersService } from '../servers/servers.service.js';

interface Lists {
  servers: Pick<ServersService, 'list'>;
  plans: Pick<PlansService, 'list'>;
  runs: Pick<RunsService, 'list'>;
  backups: Pick<BackupsService, 'list'>;
}

/** One text in all lists at once. */
export class SearchService {
  constructor(private readonly lists: Lists) {}

  async search(principal: Principal, { q, limit }: SearchQuery): Promise<SearchResult> {
    const { servers, plans, runs, backups } = this.lists;
    const [ofServers, ofPlans, ofRuns, ofBackups] = await Promise.all([
      servers.list(principal, { q, limit }),
      plans.list(principal, { q, limit }),
      runs.list(principal, { q, limit }),
      backups.list(principal, { q, limit, removed: 'false' }),
    ]);
    return { servers: ofServers.data, plans: ofPlans.data, runs: ofRuns.data, backups: ofBackups.data };
  }
}
