import { serverGroupsCreate, serverGroupsDelete, serverGroupsList, serversUpdate, type ServerGroup } from '@rahat/api-client';
import { answer, openApi, type Api } from '../session/api.js';
import { allPages } from '../session/pages.js';
import { resolve } from '../session/resolve.js';
import { table } from '../terminal/format.js';
import type { Terminal } from '../terminal/terminal.js';
import { findServer } from './servers.js';

export async function listGroups(terminal: Terminal): Promise<void> {
  const groups = await loadGroups(await openApi());
  terminal.result(
    groups,
    table(
      ['GROUP', 'SERVERS', 'DESCRIPTION', 'ID'],
      groups.map((group) => [group.name, String(group.servers), group.description, group.id]),
    ),
  );
}

export async function createGroup(terminal: Terminal, name: string, { description }: { description: string }): Promise<void> {
  const { client } = await openApi();
  const group = await answer(serverGroupsCreate({ client, body: { name, description } }));
  terminal.result(group, `Group ${group.name} (${group.id}).`);
}

export async function changeMembers(terminal: Terminal, name: string, { add, remove }: { add: string[]; remove: string[] }): Promise<void> {
  const api = await openApi();
  const group = await findGroup(api, name);
  const servers = [];
  for (const wanted of [...add, ...remove]) {
    const server = await findServer(api, wanted);
    const groups = server.groups.filter((id) => id !== group.id);
    const body = { groups: add.includes(wanted) ? [...groups, group.id] : groups };
    servers.push(await answer(serversUpdate({ client: api.client, path: { id: server.id }, body })));
  }
  terminal.result(
    servers,
    servers.map((server) => `${server.name} is ${server.groups.includes(group.id) ? 'in' : 'no longer in'} ${group.name}.`).join('\n'),
  );
}

export async function deleteGroup(terminal: Terminal, name: string): Promise<void> {
  const api = await openApi();
  const group = await findGroup(api, name);
  await answer(serverGroupsDelete({ client: api.client, path: { id: group.id } }));
  terminal.result({ id: group.id, name: group.name }, `Deleted the group ${group.name}. Its servers stay.`);
}

export const findGroup = async (api: Api, name: string): Promise<ServerGroup> => resolve('server group', name, await loadGroups(api));

export const loadGroups = (api: Api): Promise<ServerGroup[]> =>
  allPages((cursor) => answer(serverGroupsList({ client: api.client, query: { cursor, limit: 200 } })));
