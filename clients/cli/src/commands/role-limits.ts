import type { ServerGroup } from '@rahat/api-client';
import { RahatError } from '@rahat/contracts';
import type { Api } from '../session/api.js';
import { resolve } from '../session/resolve.js';
import { loadGroups } from './server-groups.js';

export interface LimitOptions {
  /** Names or ids of server groups. */
  group?: string[];
  wholeOrganization?: boolean;
}

/** The server groups that a role is to be limited to, by id; null lifts the limit, undefined says nothing of it. */
export async function limitIn(api: Api, { group, wholeOrganization }: LimitOptions): Promise<string[] | null | undefined> {
  if (wholeOrganization === true && group !== undefined)
    throw new RahatError('invalid_input', '--group and --whole-organization exclude each other.');
  if (wholeOrganization === true) return null;
  if (group === undefined) return undefined;
  const known = await loadGroups(api);
  return [...new Set(group.map((wanted) => resolve('server group', wanted, known).id))];
}

/** Says limits in words. Who may not read the groups sees their ids, as of one that was deleted. */
export async function limitWords(api: Api): Promise<(serverGroups: readonly string[] | null) => string> {
  const known: ServerGroup[] = await loadGroups(api).catch((error: unknown) => {
    if (RahatError.from(error).code === 'forbidden') return [];
    throw error;
  });
  const names = new Map(known.map(({ id, name }) => [id, name]));
  return (serverGroups) => serverGroups?.map((id) => names.get(id) ?? id).join(', ') ?? 'all';
}
