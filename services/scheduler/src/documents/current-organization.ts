import type { Page, Principal } from '@rahat/contracts';
import type { CurrentState } from './current-documents.js';
import type { DocumentServices } from './documents.service.js';

const AT_ONCE = 200;

/** Reads all that documents can say, with the rights of who asks. */
export class CurrentOrganization {
  constructor(private readonly services: DocumentServices) {}

  async load(principal: Principal): Promise<CurrentState> {
    const { scheduling, groups, servers, templates, plans, places } = this.services;
    const allServers = await allOf((cursor) => servers.list(principal, { cursor, limit: AT_ONCE }));
    const platform = new Set(allServers.filter((server) => server.platform).map(({ id }) => id));
    const allPlans = await allOf((cursor) => plans.list(principal, { cursor, limit: AT_ONCE }));
    return {
      scheduling: await scheduling.get(principal),
      groups: await allOf((cursor) => groups.list(principal, { cursor, limit: AT_ONCE })),
      places: await places.known(principal.organization),
      servers: allServers.filter(({ id }) => !platform.has(id)),
      templates: (await templates.list(principal)).data.filter(({ builtIn }) => !builtIn),
      plans: allPlans.filter((plan) => plan.server === null || !platform.has(plan.server)),
    };
  }
}

async function allOf<T>(load: (cursor: string | undefined) => Promise<Page<T>>): Promise<T[]> {
  const all: T[] = [];
  for (let cursor: string | undefined; ;) {
    const { data, page } = await load(cursor);
    all.push(...data);
    if (page.nextCursor === null) return all;
    cursor = page.nextCursor;
  }
}
