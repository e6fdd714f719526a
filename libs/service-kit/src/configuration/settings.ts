import { z } from 'zod';

/** 0 takes a free one. */
export function port(byDefault: number) {
  return z.coerce
    .number()
    .int()
    .min(0)
    .max(65535)
    .default(byDefault)
    .meta({ examples: [String(byDefault)] });
}

/** Of a PostgreSQL of the operator's own. */
export const OptionalPostgresqlUrl = z
  .url({ protocol: /^postgres(ql)?$/ })
  .optional()
  .meta({ examples: ['postgresql://user@host:5432/rahat'] });

/** Of a Redis or Valkey. */
export const OptionalRedisUrl = z
  .url({ protocol: /^rediss?$/ })
  .optional()
  .meta({ examples: ['redis://host:6379'] });

export const LogLevel = z.enum(['silent', 'fatal', 'error', 'warn', 'info', 'debug', 'trace']).default('info');
