import { apiKeysCreate, apiKeysGet, apiKeysList, apiKeysRevoke, type ApiKey, type CreateApiKey } from '@rahat/api-client';
import { answer, openApi, type Api } from '../session/api.js';
import { allPages } from '../session/pages.js';
import { openPersonalApi, type PersonalOptions } from '../session/personal-api.js';
import { resolve } from '../session/resolve.js';
import { age, table, visible } from '../terminal/format.js';
import type { Terminal } from '../terminal/terminal.js';

export async function listApiKeys(terminal: Terminal, { all }: { all: boolean }): Promise<void> {
  const keys = (await loadKeys(await openApi())).filter(({ revokedAt }) => all || revokedAt === null);
  terminal.result(
    keys,
    table(
      ['NAME', 'SCOPES', 'MADE BY', 'USED', 'FROM', 'EXPIRES', 'ID'],
      keys.map((key) => [
        key.name,
        key.scopes.join(' '),
        key.createdBy.name,
        age(key.lastUsedAt),
        key.lastUsedFrom ?? '–',
        key.revokedAt === null ? age(key.expiresAt) : 'revoked',
        key.id,
      ]),
    ),
  );
}

export async function showApiKey(terminal: Terminal, wanted: string): Promise<void> {
  const api = await openApi();
  const { id } = resolve('API key', wanted, await loadKeys(api));
  const key = await answer(apiKeysGet({ client: api.client, path: { id } }));
  const limit = key.requestsPerMinute === null ? '' : `, at most ${key.requestsPerMinute} requests a minute`;
  terminal.result(
    key,
    `${visible(key.name)} (${key.id}) of ${visible(key.createdBy.name)}: ${key.scopes.join(' ')}${limit}; used ${age(key.lastUsedAt)} from ${key.lastUsedFrom ?? 'nowhere'}`,
  );
}

export interface KeyOptions extends PersonalOptions {
  name: string;
  scope: string[];
  expires?: string;
  requestsPerMinute?: number;
}

export async function createApiKey(terminal: Terminal, options: KeyOptions): Promise<void> {
  await using api = await openPersonalApi(options);
  const { name, requestsPerMinute } = options;
  const body = {
    name,
    scopes: options.scope.flatMap((text) => text.split(',')) as CreateApiKey['scopes'],
    expiresAt: options.expires === undefined ? undefined : expiryOf(options.expires),
    requestsPerMinute,
  };
  const key = await answer(apiKeysCreate({ client: api.client, body }));
  terminal.result(key, `${visible(key.name)} (${key.id}). The key is shown this once:\n${key.secret}`);
}

export async function revokeApiKey(terminal: Terminal, wanted: string): Promise<void> {
  const api = await openApi();
  const { id, name } = resolve('API key', wanted, await loadKeys(api));
  await answer(apiKeysRevoke({ client: api.client, path: { id } }));
  terminal.result({ id, name }, `${visible(name)} is revoked; it stops within 10 seconds.`);
}

/** `90d`, `12h`, or a time. */
function expiryOf(text: string): string {
  const [, number, unit] = /^(\d{1,5})([dh])$/.exec(text) ?? [];
  if (number === undefined) return text;
  return new Date(Date.now() + Number(number) * (unit === 'd' ? 86_400_000 : 3_600_000)).toISOString();
}

const loadKeys = (api: Api): Promise<ApiKey[]> =>
  allPages((cursor) => answer(apiKeysList({ client: api.client, query: { cursor, limit: 200 } })));
