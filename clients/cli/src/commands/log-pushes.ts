import { logPushTokensCreate, logPushTokensList, logPushTokensRevoke, type CreatedLogPushToken } from '@rahat/api-client';
import { answer, openApi } from '../session/api.js';
import { age, table, visible } from '../terminal/format.js';
import type { Terminal } from '../terminal/terminal.js';
import { findServer } from './servers.js';

export async function addLogPush(
  terminal: Terminal,
  name: string,
  { url, file, archiveTimeout }: { url?: string; file?: string; archiveTimeout?: number },
): Promise<void> {
  const api = await openApi();
  const server = await findServer(api, name);
  const body = { url: url ?? api.login.url, file, archiveTimeoutSeconds: archiveTimeout };
  const made = await answer(logPushTokensCreate({ client: api.client, path: { server: server.id }, body }));
  terminal.result(made, described(terminal, server.name, made));
}

export async function listLogPushes(terminal: Terminal, name: string): Promise<void> {
  const api = await openApi();
  const server = await findServer(api, name);
  const { data } = await answer(logPushTokensList({ client: api.client, path: { server: server.id } }));
  const rows = data.map((token) => [token.id, token.createdBy.name, age(token.createdAt), age(token.lastUsedAt)]);
  terminal.result(data, table(['TOKEN', 'MADE BY', 'MADE', 'USED'], rows));
}

export async function revokeLogPush(terminal: Terminal, name: string, token: string): Promise<void> {
  const api = await openApi();
  const server = await findServer(api, name);
  await answer(logPushTokensRevoke({ client: api.client, path: { server: server.id, id: token } }));
  terminal.result({ id: token }, `${token} of ${visible(server.name)} is refused from now on.`);
}

function described(terminal: Terminal, name: string, { id, settings: { file, sql } }: CreatedLogPushToken): string {
  const bold = (text: string) => terminal.paint('bold', text);
  const indented = (text: string) =>
    text
      .trimEnd()
      .split('\n')
      .map((line) => `      ${visible(line)}`);
  const folder = file.path.replace(/\/[^/]*$/, '');
  return [
    `${visible(name)} may push its log with ${id}. The token is shown this once.`,
    '',
    bold(`On the machine of ${visible(name)}, as root: the file ${file.path}, readable by PostgreSQL alone`),
    ...indented(
      [
        `install -d -m 0755 ${folder}`,
        `install -m ${file.mode} -o postgres /dev/null ${file.path}`,
        `cat > ${file.path} <<'END'`,
        file.content.trimEnd(),
        'END',
      ].join('\n'),
    ),
    '',
    bold('In psql, as a superuser'),
    ...indented(sql),
    '',
    'Where archive_mode was off, restart PostgreSQL. Then let a plan keep what comes:',
    ...indented('rahat-backup plan create … --method physical --continuous-log 60 --log-way push'),
  ].join('\n');
}
