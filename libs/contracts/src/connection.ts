import { z } from 'zod';

/** A way to a server that the worker can't reach itself: through an SSH host, which is known by its key before anything is told to it. */
export const SshTunnel = z
  .object({
    host: z.string().min(1),
    port: z.number().int().min(1).max(65535).default(22),
    user: z.string().min(1),
    /** As `ssh-keygen -lf` prints it. */
    hostKey: z.string().regex(/^SHA256:[A-Za-z0-9+/]{43}$/, 'is no fingerprint; it looks like SHA256: and 43 letters, digits, + or /'),
  })
  .strict()
  .meta({ id: 'SshTunnel' });
export type SshTunnel = z.infer<typeof SshTunnel>;

/** How to reach a PostgreSQL server; the password and the private keys are secrets and travel sealed. */
export const PostgresqlAddress = z
  .object({
    host: z.string().min(1),
    port: z.coerce.number().int().min(1).max(65535).default(5432),
    user: z.string().min(1),
    /** Database for the first connection (discovery, globals). */
    maintenanceDatabase: z.string().min(1).default('postgres'),
    tls: z.enum(['disable', 'prefer', 'require', 'verify-ca', 'verify-full']).default('prefer'),
    /** PEM of the certificate authority, for verify-ca and verify-full; with it `require` means verify-ca, as in libpq. */
    tlsCa: z.string().optional(),
    /** PEM of our own certificate, for servers that ask for one; its key is a secret. */
    tlsCertificate: z.string().optional(),
    ssh: SshTunnel.optional(),
  })
  .strict()
  .meta({ id: 'PostgresqlAddress' });
export type PostgresqlAddress = z.infer<typeof PostgresqlAddress>;

/** Secrets beside the password; PEM, without a passphrase of their own. */
export const ConnectionKeys = z.object({ tlsKey: z.string().optional(), sshKey: z.string().optional() }).strict();
export type ConnectionKeys = z.infer<typeof ConnectionKeys>;

export const PostgresqlConnection = PostgresqlAddress.extend({ password: z.string(), ...ConnectionKeys.shape });
export type PostgresqlConnection = z.infer<typeof PostgresqlConnection>;
