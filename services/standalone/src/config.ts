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
  RAHAT_PORT: z.coerce
    .number()
    .int()
    .min(0)
    .max(65535)
    .default(8420)
    .meta({ examples: ['8420'] }),
  RAHAT_METRICS_PORT: z.coerce
    .number()
    .int()
    .min(0)
    .max(65535)
    .default(9464)
    .meta({ examples: ['9464'] }),
  /** Where the embedded PostgreSQL listens, when it is used. */
  RAHAT_POSTGRESQL_PORT: z.coerce
    .number()
    .int()
    .min(0)
    .max(65535)
    .default(54329)
    .meta({ examples: ['54329'] }),
  RAHAT_LOG_LEVEL: z.enum(['silent', 'fatal', 'error', 'warn', 'info', 'debug', 'trace']).default('info'),
  DATABASE_URL: z
    .url({ protocol: /^postgres(ql)?$/ })
    .optional()
    .meta({ examples: ['postgresql://user@host:5432/rahat'] }),
  REDIS_URL: z
    .url({ protocol: /^rediss?$/ })
    .optional()
    .meta({ examples: ['redis://host:6379'] }),
});
export type StandaloneConfig = z.infer<typeof standaloneConfig>;
