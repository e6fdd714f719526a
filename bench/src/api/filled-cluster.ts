import { apiKeysCreate, meGet, type Client } from '@rahat/api-client';
import { RahatError } from '@rahat/contracts';
import { data, gatewaysOf } from '@rahat/demo';
import { hasRedis, startPostgresql } from '@rahat/test-servers';
import { withPlatform } from '../orchestration/platform.js';
import { AS_EMBEDDED, fillCatalogOf, type Catalog } from '../orchestration/scheduler.js';

const LIMIT_MS = 40 * 60_000;

/** Many users are not to be taken for one address's or one user's flood; that limits hold is for tests to show. */
const ENVIRONMENT = { RAHAT_TRUSTED_PROXIES: '1', RAHAT_LOGIN_TRIES_PER_MINUTE: '10000', RAHAT_GATEWAY_WRITES_PER_MINUTE: '100000' };

export interface FilledCluster {
  gateways: string[];
  client: Client;
  /** Of the supervisor of all processes. */
  pid: number;
  /** Of the database's first process. */
  postgresql: number;
  /** Of the data of all. */
  folder: string;
  organization: string;
  catalog: Catalog;
}

/** The separate services with two gateways, over a catalog as it looks after years. */
export async function withFilledCluster<T>(
  catalog: Catalog,
  log: (line: string) => void,
  measure: (cluster: FilledCluster) => Promise<T>,
): Promise<T> {
  await using postgresql = await startPostgresql(AS_EMBEDDED);
  const queues = hasRedis() ? 'redis' : 'postgresql';
  const environment = { ...ENVIRONMENT, RAHAT_QUEUES: queues, DATABASE_URL: postgresql.connectionString() };
  return await withPlatform('cluster', { limitMs: LIMIT_MS, environment }, async ({ platform, folder }) => {
    const { client, pid } = platform;
    const gateways = gatewaysOf(platform);
    if (gateways.length < 2) throw new RahatError('unavailable', `The cluster told of ${gateways.length} gateways.`);
    log(`making ${catalog.databases} databases and ${catalog.backups} backups …`);
    const { organization } = await data(meGet({ client }));
    await using connection = await postgresql.connect().then((opened) => ({ opened, [Symbol.asyncDispose]: () => opened.end() }));
    await fillCatalogOf(connection.opened, organization.id, catalog);
    return await measure({ gateways, client, pid, postgresql: postgresql.pid, folder, organization: organization.id, catalog });
  });
}

/** A credential for each of so many users. */
export async function keysFor(client: Client, users: number): Promise<string[]> {
  const keys: string[] = [];
  for (let user = 0; user < users; user++) {
    const { secret } = await data(apiKeysCreate({ client, body: { name: `user ${user}`, scopes: ['*'] } }));
    keys.push(secret);
  }
  return keys;
}
