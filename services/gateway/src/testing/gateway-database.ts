import { openServiceDatabase, provisionDatabase, type ServiceDatabase } from '@rahat/persistence';
import { startPostgresql } from '@rahat/test-servers';
import { gatewayMigrations } from '../migrations/index.js';

export interface GatewayDatabase extends AsyncDisposable {
  database: ServiceDatabase;
  /** What is stored, as text. */
  stored(): Promise<string>;
}

/** The gateway's own schema in a PostgreSQL of a test's own. */
export async function startGatewayDatabase(): Promise<GatewayDatabase> {
  const server = await startPostgresql({ major: 15 });
  const { serviceUrls } = await provisionDatabase({
    adminUrl: server.connectionString(),
    services: [{ name: 'gateway', password: 'pw' }],
  });
  const database = await openServiceDatabase({
    url: serviceUrls['gateway']!,
    service: 'gateway',
    migrations: gatewayMigrations,
    poolSize: 5,
  });
  return {
    database,
    stored: async () => JSON.stringify(await server.query('SELECT * FROM gateway.kept_answers')),
    [Symbol.asyncDispose]: async () => {
      await database.close();
      await server[Symbol.asyncDispose]();
    },
  };
}
