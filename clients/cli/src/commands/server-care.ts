import { databasesList, databasesUpdate, serversDelete, serversUpdate } from '@rahat/api-client';
import { RahatError } from '@rahat/contracts';
import { answer, openApi } from '../session/api.js';
import { resolve } from '../session/resolve.js';
import { askSecret } from '../terminal/ask-secret.js';
import type { Terminal } from '../terminal/terminal.js';
import { findServer, refusePassword } from './servers.js';
import { readReach, type ReachOptions } from './server-reach.js';
import { standbysOf } from './source-options.js';
import { changedTags, nothingToChange } from './tag-changes.js';

export interface UpdateServerOptions extends ReachOptions {
  name?: string;
  url?: string;
  askPassword: boolean;
  passwordStdin: boolean;
  pool?: string;
  heavyRuns?: number;
  discoveryMinutes?: number;
  standby?: string[];
}

export async function updateServer(terminal: Terminal, name: string, options: UpdateServerOptions): Promise<void> {
  if (options.url !== undefined) refusePassword(options.url);
  const { name: newName, url, pool, heavyRuns, discoveryMinutes, askPassword, passwordStdin } = options;
  const reach = await readReach(options);
  const password =
    askPassword || passwordStdin
      ? await askSecret({ label: 'New password of the database user', variable: 'RAHAT_DB_PASSWORD', fromStdin: passwordStdin })
      : undefined;
  const api = await openApi();
  const standbys = standbysOf(options.standby);
  const body = { ...reach, name: newName, url, pool, heavyRuns, discoveryMinutes, password, standbys };
  if (Object.values(body).every((value) => value === undefined)) throw nothingToChange();
  const server = await answer(serversUpdate({ client: api.client, path: { id: (await findServer(api, name)).id }, body }));
  terminal.result(server, `Changed ${server.name} (${server.id}).`);
}

export async function tagServer(terminal: Terminal, name: string, options: { add: string[]; remove: string[] }): Promise<void> {
  const api = await openApi();
  const before = await findServer(api, name);
  const tags = changedTags(before.tags, options.add, options.remove);
  const server =
    options.add.length + options.remove.length === 0
      ? before
      : await answer(serversUpdate({ client: api.client, path: { id: before.id }, body: { tags } }));
  terminal.result(server, server.tags.join('\n'));
}

export async function deleteServer(terminal: Terminal, name: string): Promise<void> {
  const api = await openApi();
  const server = await findServer(api, name);
  await answer(serversDelete({ client: api.client, path: { id: server.id } }));
  terminal.result({ id: server.id, name: server.name }, `Deleted ${server.name}. Its backups stay.`);
}

export async function updateDatabase(
  terminal: Terminal,
  serverName: string,
  name: string,
  options: { exclude: boolean; include: boolean; addTag: string[]; removeTag: string[] },
): Promise<void> {
  if (options.exclude && options.include) throw new RahatError('invalid_input', 'Give either --exclude or --include.');
  const retagged = options.addTag.length + options.removeTag.length > 0;
  if (!options.exclude && !options.include && !retagged) throw nothingToChange();
  const api = await openApi();
  const server = await findServer(api, serverName);
  const { data } = await answer(databasesList({ client: api.client, path: { server: server.id } }));
  const before = resolve('database', name, data);
  const database = await answer(
    databasesUpdate({
      client: api.client,
      path: { server: server.id, id: before.id },
      body: {
        ...(options.exclude || options.include ? { excluded: options.exclude } : {}),
        ...(retagged ? { tags: changedTags(before.tags, options.addTag, options.removeTag) } : {}),
      },
    }),
  );
  terminal.result(
    database,
    `${database.name}: ${database.excluded ? 'excluded' : 'included'}${database.tags.length > 0 ? `, ${database.tags.join(', ')}` : ''}`,
  );
}
