import { RahatError } from '@rahat/contracts';
import { openServiceDatabase } from '@rahat/persistence';
import { OptionalPostgresqlUrl, OptionalRedisUrl } from '@rahat/service-kit';
import { z } from 'zod';
import { gatewayMigrations } from '../migrations/index.js';
import { sharedInDatabase, sharedInRedis, type SharedState } from './shared-state.js';

/** Where several gateways meet: the Redis of the queues, or, without one, the database. */
export const sharedConfig = z.object({
  REDIS_URL: OptionalRedisUrl,
  RAHAT_QUEUE_PREFIX: z.string().default('rahat'),
  /** As the role `rahat_gateway`; needed where the queues are in PostgreSQL. */
  DATABASE_URL: OptionalPostgresqlUrl,
});

const POOL_SIZE = 10;

export async function openSharedState(config: z.infer<typeof sharedConfig>): Promise<SharedState> {
  if (config.REDIS_URL) return sharedInRedis(config.REDIS_URL, config.RAHAT_QUEUE_PREFIX);
  if (!config.DATABASE_URL)
    throw new RahatError('configuration_invalid', 'The gateway needs REDIS_URL, or DATABASE_URL of its own role', {
      hint: 'Gateways share limits and idempotency keys there.',
    });
  const database = await openServiceDatabase({
    url: config.DATABASE_URL,
    service: 'gateway',
    migrations: gatewayMigrations,
    poolSize: POOL_SIZE,
  });
  const shared = sharedInDatabase(database, 'several');
  return {
    ...shared,
    close: async () => {
      await shared.close();
      await database.close();
    },
  };
}
