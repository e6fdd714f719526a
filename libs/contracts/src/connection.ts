import { z } from 'zod';
import { AwsCredentials, AwsRegion, SecretAccessKey } from './aws-credentials.js';

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

/**
 * Amazon RDS and Aurora let a user in by a token that is signed with credentials of Amazon, instead of a password. It is good for
 * minutes, for one user at one host by Amazon's own name; TLS is required with it.
 */
export const AwsIamAuthentication = z
  .object({
    kind: z.literal('aws-iam'),
    /** Absent = as the host's name tells it. */
    region: AwsRegion.optional(),
    credentials: AwsCredentials,
  })
  .strict()
  .meta({ id: 'AwsIamAuthentication' });
export type AwsIamAuthentication = z.infer<typeof AwsIamAuthentication>;

/** How a user proves who he is where it is not by a password. */
export const ServerAuthentication = z.discriminatedUnion('kind', [AwsIamAuthentication]);
export type ServerAuthentication = z.infer<typeof ServerAuthentication>;

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
    /** Absent = by the password, or by the certificate. */
    authentication: ServerAuthentication.optional(),
  })
  .strict()
  .meta({ id: 'PostgresqlAddress' });
export type PostgresqlAddress = z.infer<typeof PostgresqlAddress>;

/** Secrets beside the password: private keys in PEM, without a passphrase of their own, and what belongs to the access key of Amazon. */
export const ConnectionKeys = z
  .object({
    tlsKey: z.string().optional(),
    sshKey: z.string().optional(),
    awsSecretAccessKey: SecretAccessKey.shape.secretAccessKey.optional(),
  })
  .strict();
export type ConnectionKeys = z.infer<typeof ConnectionKeys>;
export const ConnectionKeyName = ConnectionKeys.keyof();
export type ConnectionKeyName = z.infer<typeof ConnectionKeyName>;

/** The password is empty where `authentication` says otherwise. */
export const PostgresqlConnection = PostgresqlAddress.extend({ password: z.string(), ...ConnectionKeys.shape });
export type PostgresqlConnection = z.infer<typeof PostgresqlConnection>;
