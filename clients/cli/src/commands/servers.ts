import {
  databasesList,
  serversCreate,
  databasesDiscover,
  serversList,
  serversTest,
  serversTry,
  type ProbeReport,
  type Server,
} from '@rahat/api-client';
import { RahatError } from '@rahat/contracts';
import { answer, openApi, type Api } from '../session/api.js';
import { allPages } from '../session/pages.js';
import { resolve } from '../session/resolve.js';
import { askSecret } from '../terminal/ask-secret.js';
import { bytes, table, visible } from '../terminal/format.js';
import type { Terminal } from '../terminal/terminal.js';
import { findGroup } from './server-groups.js';
import { readReach, type ReachOptions } from './server-reach.js';
import { standbysOf } from './source-options.js';

export async function addServer(
  terminal: Terminal,
  url: string,
  options: {
    name: string;
    passwordStdin: boolean;
    force: boolean;
    pool: string;
    tag: string[];
    group: string[];
    standby?: string[];
  } & ReachOptions,
): Promise<void> {
  refusePassword(url);
  const reach = await readReach(options);
  const api = await openApi();
  const { client } = api;
  const groups = await Promise.all(options.group.map(async (name) => (await findGroup(api, name)).id));
  const password = reach.authentication
    ? undefined
    : await askSecret({ label: 'Password of the database user', variable: 'RAHAT_DB_PASSWORD', fromStdin: options.passwordStdin });
  const body = {
    ...reach,
    name: options.name,
    url,
    password,
    engine: 'postgresql' as const,
    pool: options.pool,
    tags: options.tag,
    groups,
    standbys: standbysOf(options.standby),
  };

  const report = await answer(serversTry({ client, body }));
  terminal.say(ladder(terminal, report));
  if (!report.reachable && !options.force) {
    const { code, message, hint } = report.error ?? { code: 'source_unreachable', message: 'The server cannot be used.', hint: undefined };
    throw new RahatError(code as 'source_unreachable', message, { hint: hint ?? 'Cure the failed step, or add it anyway with --force.' });
  }
  const server = await answer(serversCreate({ client, body }));
  const databases = report.reachable ? await discover(client, server) : [];
  terminal.result(
    { server, databases },
    `Added ${server.name} (${server.id}) with ${databases.length} databases: ${databases.map(({ name }) => visible(name)).join(', ')}`,
  );
}

export async function testServer(terminal: Terminal, name: string): Promise<void> {
  const api = await openApi();
  const server = await findServer(api, name);
  const report = await answer(serversTest({ client: api.client, path: { id: server.id } }));
  terminal.result(report, ladder(terminal, report));
  if (!report.reachable) process.exitCode = 1;
}

export async function listServers(terminal: Terminal, options: { group?: string; tag?: string }): Promise<void> {
  const api = await openApi();
  const group = options.group === undefined ? undefined : (await findGroup(api, options.group)).id;
  const servers = await loadServers(api, { group, tag: options.tag });
  terminal.result(
    servers,
    table(
      ['NAME', 'ADDRESS', 'VERSION', 'TAGS', 'ID'],
      servers.map((server) => [
        server.name,
        `${server.address.user}@${server.address.host}:${server.address.port}`,
        server.version ?? '–',
        server.tags.join(', '),
        server.id,
      ]),
    ),
  );
}

export async function listDatabases(terminal: Terminal, options: { server?: string; tag?: string; discover: boolean }): Promise<void> {
  const api = await openApi();
  const servers = options.server ? [await findServer(api, options.server)] : await loadServers(api);
  if (options.discover) for (const server of servers) await discover(api.client, server);
  const databases = (
    await Promise.all(
      servers.map(({ id }) => answer(databasesList({ client: api.client, path: { server: id }, query: { tag: options.tag } }))),
    )
  ).flatMap(({ data }) => data);
  const serverNames = new Map(servers.map(({ id, name }) => [id, name]));
  terminal.result(
    databases,
    table(
      ['DATABASE', 'SERVER', 'SIZE', 'ENCODING', 'TAGS', 'NOTE'],
      databases.map((database) => [
        database.name,
        serverNames.get(database.server) ?? database.server,
        bytes(database.sizeBytes),
        database.encoding,
        database.tags.join(', '),
        database.missingSince ? 'gone from the server' : database.excluded ? 'excluded' : '',
      ]),
    ),
  );
}

export const loadServers = (api: Api, filter: { group?: string; tag?: string } = {}): Promise<Server[]> =>
  allPages((cursor) => answer(serversList({ client: api.client, query: { ...filter, cursor, limit: 200 } })));

export const findServer = async (api: Api, name: string): Promise<Server> => resolve('server', name, await loadServers(api));

async function discover(client: Api['client'], server: Server) {
  return (await answer(databasesDiscover({ client, path: { server: server.id } }))).data;
}

/** An argument list is readable by every user of the machine. */
export function refusePassword(url: string): void {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (!parsed || !/^postgres(ql)?:$/.test(parsed.protocol)) {
    throw new RahatError('invalid_input', `"${visible(url.replace(/:[^:@/]*@/, ':…@'))}" is not a PostgreSQL address.`, {
      hint: 'Write postgresql://user@host:5432/postgres',
    });
  }
  if (parsed.password !== '') {
    throw new RahatError('invalid_input', 'The address holds a password, which every user of this machine can see in the process list.', {
      hint: 'Leave it out; give it by RAHAT_DB_PASSWORD, --password-stdin or the prompt, and change it if it matters.',
    });
  }
}

function ladder(terminal: Terminal, report: ProbeReport): string {
  const steps = report.steps.map(
    ({ name, ok, ms, detail }) =>
      `${ok ? terminal.paint('green', '✓') : terminal.paint('red', '✗')} ${name.padEnd(14)} ${String(Math.round(ms)).padStart(5)} ms  ${detail ?? ''}`,
  );
  const findings = report.methods.flatMap(({ method, findings }) =>
    findings
      .filter(({ severity }) => severity !== 'info')
      .map(
        (finding) =>
          `${finding.severity === 'blocker' ? terminal.paint('red', '✗') : terminal.paint('yellow', '!')} ${method}: ${finding.message}${finding.fix ? `\n    ${finding.fix}` : ''}`,
      ),
  );
  const error = report.error
    ? [`${terminal.paint('red', '✗')} ${report.error.message}${report.error.hint ? `\n  → ${report.error.hint}` : ''}`]
    : [];
  return [...steps, ...findings, ...error].join('\n');
}
