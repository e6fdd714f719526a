import { z } from 'zod';
import { LogLevel, OptionalRedisUrl, port } from '../configuration/settings.js';

const PostgresqlUrl = z.url({ protocol: /^postgres(ql)?$/ }).meta({ examples: ['postgresql://rahat_auth@host:5432/rahat'] });

/** What every process of the cluster shape reads, whichever service it is. */
export const processConfig = {
  /** The address of both ports. */
  RAHAT_HOST: z
    .string()
    .default('127.0.0.1')
    .meta({ examples: ['0.0.0.0'] }),
  /** `/livez`, `/readyz`, `/startupz` and `/metrics`; not for the public. */
  RAHAT_METRICS_PORT: port(9464),
  RAHAT_LOG_LEVEL: LogLevel,
  /** Queues in Redis or Valkey … */
  REDIS_URL: OptionalRedisUrl,
  /** … or in PostgreSQL, as the role that owns the schema `bullmq`. */
  RAHAT_QUEUE_DATABASE_URL: PostgresqlUrl.optional(),
  /** Keeps installations apart that share a Redis. */
  RAHAT_QUEUE_PREFIX: z
    .string()
    .regex(/^[\w-]{1,40}$/)
    .default('rahat'),
};

/** … when it answers over HTTP. */
export const httpConfig = {
  RAHAT_PORT: port(8420),
  /** The file with the key of the principal tokens; the same for all services, and no business of workers. */
  RAHAT_PRINCIPAL_KEY_PATH: z
    .string()
    .startsWith('/', 'an absolute path is needed')
    .meta({ examples: ['/etc/rahat/principal-key.json'] }),
};

/** … when it owns data. */
export const databaseConfig = {
  /** Of the service's own role. */
  DATABASE_URL: PostgresqlUrl,
  RAHAT_DATABASE_CONNECTIONS: z.coerce.number().int().min(2).max(100).default(10),
};

/** … when it keeps credentials. */
export const masterKeyConfig = {
  /** The file with the key that seals credentials; the same for all services, mode 0600. */
  RAHAT_MASTER_KEY_PATH: z
    .string()
    .startsWith('/', 'an absolute path is needed')
    .meta({ examples: ['/etc/rahat/master.key'] }),
};
