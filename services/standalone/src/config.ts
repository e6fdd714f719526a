import { LogLevel, OptionalPostgresqlUrl, OptionalRedisUrl, port } from '@rahat/service-kit';
import { z } from 'zod';

/** The environment of standalone itself; each service reads its own besides. */
export const standaloneConfig = z.object({
  RAHAT_DATA_DIR: z
    .string()
    .default('./.data')
    .meta({ examples: ['/var/lib/rahat-backup'] }),
  /** The address to listen on; beyond 127.0.0.1 everyone who reaches it sees the log-in. */
  RAHAT_HOST: z
    .string()
    .default('127.0.0.1')
    .meta({ examples: ['127.0.0.1'] }),
  RAHAT_PORT: port(8420),
  RAHAT_METRICS_PORT: port(9464),
  /** Where the embedded PostgreSQL listens, when it is used. */
  RAHAT_POSTGRESQL_PORT: port(54329),
  RAHAT_LOG_LEVEL: LogLevel,
  DATABASE_URL: OptionalPostgresqlUrl,
  REDIS_URL: OptionalRedisUrl,
});
export type StandaloneConfig = z.infer<typeof standaloneConfig>;
