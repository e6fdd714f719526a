import { provisionServices, type InstallationKeys } from '@rahat/installation';
import { openMessaging, type Messaging } from '@rahat/messaging';
import { openServiceDatabase, type Migration, type ServiceDatabase } from '@rahat/persistence';
import * as audit from '@rahat/service-audit';
import * as auth from '@rahat/service-auth';
import * as gateway from '@rahat/service-gateway';
import type { ServiceRuntime, StatelessRuntime } from '@rahat/service-kit';
import * as scheduler from '@rahat/service-scheduler';
import * as storage from '@rahat/service-storage';

export const POOL = 'default';

/** The services that own data, with their migrations. */
const MIGRATIONS: Record<string, Migration[]> = {
  auth: auth.migrations,
  scheduler: scheduler.migrations,
  storage: storage.migrations,
  audit: audit.migrations,
  gateway: gateway.migrations,
};
const POOL_SIZE = 10;

/** The queues and databases that the services in this process stand on. */
export interface ServiceParts {
  messaging: Messaging;
  runtimeOf(service: string): ServiceRuntime;
  statelessRuntimeOf(service: string): StatelessRuntime;
  databaseOf(service: string): ServiceDatabase;
  migrations: number;
  /** What readiness asks, by name. */
  checks: Record<string, () => Promise<unknown>>;
  close(): Promise<void>;
}

export interface QueueLog {
  warn(fields: object, message: string): void;
}

export async function openServiceParts(
  adminUrl: string,
  redisUrl: string | undefined,
  keys: InstallationKeys,
  log: QueueLog,
): Promise<ServiceParts> {
  const names = Object.keys(MIGRATIONS);
  const { serviceUrls, queueUrl } = await provisionServices(adminUrl, keys.master, names, redisUrl ? 'redis' : 'postgresql');
  const messaging = await openMessaging({ ...(redisUrl ? { redisUrl } : { postgresUrl: queueUrl }), prefix: 'rahat', log });
  const databases = new Map<string, ServiceDatabase>();
  const close = async () => {
    await messaging.close();
    for (const database of databases.values()) await database.close();
  };
  try {
    await Promise.all(
      names.map(async (name) =>
        databases.set(
          name,
          await openServiceDatabase({ url: serviceUrls[name]!, service: name, migrations: MIGRATIONS[name]!, poolSize: POOL_SIZE }),
        ),
      ),
    );
  } catch (error) {
    await close().catch(() => undefined);
    throw error;
  }
  const stateless = (service: string): StatelessRuntime => ({ service, messaging, principals: keys.principals.signer });
  return {
    messaging,
    statelessRuntimeOf: stateless,
    databaseOf: (service) => databases.get(service)!,
    runtimeOf(service) {
      const database = databases.get(service)!;
      return { ...stateless(service), database, outbox: messaging.outbox(database) };
    },
    checks: {
      database: () => databases.get('auth')!.asSystem('readiness', (transaction) => transaction.query('SELECT 1')),
      queues: () => messaging.metrics(),
    },
    migrations: Object.values(MIGRATIONS).reduce((sum, list) => sum + list.length, 0),
    close,
  };
}
