import { z } from 'zod';

/** How to reach a PostgreSQL server; the password is a secret and travels sealed. */
export const PostgresqlAddress = z
  .object({
    host: z.string().min(1),
    port: z.coerce.number().int().min(1).max(65535).default(5432),
    user: z.string().min(1),
    /** Database for the first connection (discovery, globals). */
    maintenanceDatabase: z.string().min(1).default('postgres'),
    tls: z.enum(['disable', 'prefer', 'require', 'verify-full']).default('prefer'),
    /** PEM of the certificate authority, for verify-full. */
    tlsCa: z.string().optional(),
  })
  .strict()
  .meta({ id: 'PostgresqlAddress' });
export type PostgresqlAddress = z.infer<typeof PostgresqlAddress>;

export const PostgresqlConnection = PostgresqlAddress.extend({ password: z.string() });
export type PostgresqlConnection = z.infer<typeof PostgresqlConnection>;
