import {
  backupsList,
  plansList,
  runsList,
  savedSearchesCreate,
  savedSearchesList,
  savedSearchesRemove,
  search as searchAll,
  serversList,
  type Backup,
  type Plan,
  type Run,
  type SavedSearch,
  type Server,
} from '@rahat/api-client';
import { SearchedList } from '@rahat/contracts';
import { answer, openApi, type Api } from '../session/api.js';
import { allPages } from '../session/pages.js';
import { resolve } from '../session/resolve.js';
import { age, table } from '../terminal/format.js';
import type { Terminal } from '../terminal/terminal.js';
import { oneOf, pointInTime } from './list-filters.js';
import { wholeNumber } from './plans.js';

/** kind, id, what it is called, what is to be known of it. */
type Line = [string, string, string, string];

export async function search(terminal: Terminal, words: string[], options: { limit: string }): Promise<void> {
  const { client } = await openApi();
  const found = await answer(searchAll({ client, query: { q: words.join(' '), limit: wholeNumber('--limit', options.limit) } }));
  const lines = [...found.servers.map(ofServer), ...found.plans.map(ofPlan), ...found.runs.map(ofRun), ...found.backups.map(ofBackup)];
  print(terminal, found, lines);
}

export async function saveSearch(terminal: Terminal, name: string, options: { in: string; filter?: string[] }): Promise<void> {
  const { client } = await openApi();
  const query = Object.fromEntries(
    (options.filter ?? []).map((filter) => {
      const [key, ...value] = filter.split('=');
      return [key!, value.join('=')];
    }),
  );
  const saved = await answer(savedSearchesCreate({ client, body: { name, list: oneOf(SearchedList, 'list', options.in)!, query } }));
  terminal.result(saved, `Saved as "${saved.name}": \`rahat-backup search run "${saved.name}"\`.`);
}

export async function listSearches(terminal: Terminal): Promise<void> {
  const saved = await savedSearches(await openApi());
  terminal.result(
    saved,
    table(
      ['NAME', 'IN', 'FILTERS', 'BY'],
      saved.map(({ name, list, query, createdBy }) => [name, list, filtersOf(query), createdBy]),
    ),
  );
}

export async function removeSearch(terminal: Terminal, name: string): Promise<void> {
  const api = await openApi();
  const saved = resolve('saved search', name, await savedSearches(api));
  await answer(savedSearchesRemove({ client: api.client, path: { id: saved.id } }));
  terminal.result(saved, `Forgot "${saved.name}".`);
}

export async function runSearch(terminal: Terminal, name: string, options: { limit: string }): Promise<void> {
  const api = await openApi();
  const { list, query } = resolve('saved search', name, await savedSearches(api));
  const limit = wholeNumber('--limit', options.limit);
  const { since, until, ...filters } = query;
  const times = { since: pointInTime('since', since), until: pointInTime('until', until) };
  const asked = { ...filters, ...Object.fromEntries(Object.entries(times).filter(([, time]) => time !== undefined)) };
  const { client } = api;
  const page = (cursor: string | undefined) => ({ client, query: { ...asked, cursor, limit: Math.min(limit, 200) } });
  switch (list) {
    case 'servers':
      return show(terminal, await allPages((cursor) => answer(serversList(page(cursor))), limit), ofServer);
    case 'plans':
      return show(terminal, await allPages((cursor) => answer(plansList(page(cursor))), limit), ofPlan);
    case 'runs':
      return show(terminal, await allPages((cursor) => answer(runsList(page(cursor))), limit), ofRun);
    case 'backups':
      return show(terminal, await allPages((cursor) => answer(backupsList(page(cursor))), limit), ofBackup);
  }
}

const savedSearches = (api: Api): Promise<SavedSearch[]> =>
  allPages((cursor) => answer(savedSearchesList({ client: api.client, query: { cursor, limit: 200 } })));

function filtersOf(query: Record<string, string>): string {
  return Object.entries(query)
    .map(([key, value]) => `${key}=${value}`)
    .join(' ');
}

function show<T>(terminal: Terminal, found: T[], line: (item: T) => Line): void {
  print(terminal, found, found.map(line));
}

function print(terminal: Terminal, data: unknown, lines: Line[]): void {
  terminal.result(data, lines.length === 0 ? 'Nothing was found.' : table(['KIND', 'ID', 'WHAT', 'STATE'], lines));
}

const ofServer = (server: Server): Line => ['server', server.id, server.name, server.tags.join(', ')];
const ofPlan = (plan: Plan): Line => ['plan', plan.id, plan.name, plan.enabled ? 'enabled' : 'paused'];
const ofRun = (run: Run): Line => ['run', run.id, run.type, `${run.state}, due ${age(run.dueAt)}`];
const ofBackup = (backup: Backup): Line => [
  'backup',
  backup.id,
  `${backup.serverName}/${backup.databaseName ?? '(whole server)'}`,
  `${backup.proof}, taken ${age(backup.consistentAt)}`,
];
