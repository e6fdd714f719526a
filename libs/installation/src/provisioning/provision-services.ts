import { provisionDatabase } from '@rahat/persistence';
import { derivePassword } from '@rahat/secrets';

const QUEUE_SCHEMA = 'bullmq';
const QUEUE_ROLE = 'rahat_queue';

export interface ProvisionedServices {
  /** Connection URL of each service's own role. */
  serviceUrls: Record<string, string>;
  /** Where the queues lie, when PostgreSQL carries them. */
  queueUrl?: string;
}

/** Roles and schemas of all services. Their passwords follow from the master key, so nothing but the key has to be kept. */
export async function provisionServices(
  adminUrl: string,
  masterKey: Buffer,
  services: readonly string[],
  queues: 'postgresql' | 'redis',
): Promise<ProvisionedServices> {
  const passwordOf = (role: string) => derivePassword(masterKey, `postgresql-role/${role}`);
  return provisionDatabase({
    adminUrl,
    services: services.map((name) => ({ name, password: passwordOf(name) })),
    queue: queues === 'postgresql' ? { schema: QUEUE_SCHEMA, role: QUEUE_ROLE, password: passwordOf(QUEUE_ROLE) } : undefined,
  });
}
