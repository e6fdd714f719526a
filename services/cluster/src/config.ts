import { OptionalPostgresqlUrl, OptionalRedisUrl, port } from '@rahat/service-kit';
import { z } from 'zod';

/** The environment of the cluster on one machine; each service's own settings are handed on to its processes. */
export const clusterConfig = z.object({
  RAHAT_DATA_DIR: z
    .string()
    .default('./.data')
    .meta({ examples: ['/var/lib/rahat-backup'] }),
  /** The address of the gateways; beyond 127.0.0.1 everyone who reaches it sees the log-in. */
  RAHAT_HOST: z
    .string()
    .default('127.0.0.1')
    .meta({ examples: ['127.0.0.1'] }),
  /** Of the first gateway; the second one takes the next free one, the other services those from ten above. */
  RAHAT_PORT: port(8420),
  /** The first of the ports for health and metrics, one for each process. */
  RAHAT_METRICS_PORT: port(9464),
  /** Where the embedded PostgreSQL listens, when it is used. */
  RAHAT_POSTGRESQL_PORT: port(54329),
  /** Where the private Redis listens, when it is used. */
  RAHAT_REDIS_PORT: port(6390),
  /** What carries the queues. */
  RAHAT_QUEUES: z.enum(['redis', 'postgresql']).default('redis'),
  DATABASE_URL: OptionalPostgresqlUrl,
  REDIS_URL: OptionalRedisUrl,
});
export type ClusterConfig = z.infer<typeof clusterConfig>;
