import { z } from 'zod';
import { AwsCredentials, AwsRegion, FoundCredentials, SecretAccessKey } from './aws-credentials.js';

/** A database instance, or a cluster of Aurora, as Amazon names it. */
export const RdsResource = z
  .object({
    kind: z.enum(['instance', 'cluster']),
    id: z.string().regex(/^[a-z][a-z0-9-]{0,62}$/i, 'is an identifier of Amazon: letters, digits and dashes'),
  })
  .strict();
export type RdsResource = z.infer<typeof RdsResource>;

/** Which of a provider's servers a server is, and with whose credentials the provider is asked about it. */
export const CloudAccount = z
  .object({ provider: z.literal('aws'), region: AwsRegion, resource: RdsResource, credentials: AwsCredentials })
  .strict()
  .meta({ id: 'CloudAccount' });
export type CloudAccount = z.infer<typeof CloudAccount>;

/** With its secret; it travels sealed. */
export const CloudAccountConnection = CloudAccount.extend({
  credentials: z.discriminatedUnion('source', [SecretAccessKey, FoundCredentials]),
});
export type CloudAccountConnection = z.infer<typeof CloudAccountConnection>;

/** So many are kept account of for one server; beyond them nothing is concluded from one's absence. */
export const MOST_MANAGED_SNAPSHOTS = 1000;

/** A snapshot that a provider holds: a reference to it, with what the provider tells. */
export const FoundManagedSnapshot = z.object({
  /** The provider's own id of it, which nothing else in the world has. */
  reference: z.string(),
  name: z.string(),
  of: z.enum(['instance', 'cluster']),
  /** `backup-service`: made by the provider's own backup service. */
  origin: z.enum(['automated', 'manual', 'backup-service', 'other']),
  engine: z.string(),
  engineVersion: z.string().nullable(),
  /** What was allocated for the server; the snapshot takes less. */
  allocatedGib: z.number().int().nullable(),
  encrypted: z.boolean(),
  keyId: z.string().nullable(),
  status: z.string(),
  /** Null while it is being made. */
  createdAt: z.iso.datetime().nullable(),
});
export type FoundManagedSnapshot = z.infer<typeof FoundManagedSnapshot>;

/** What a provider tells of its own way back to a moment. */
export const ManagedRecovery = z.object({
  engine: z.string(),
  engineVersion: z.string(),
  status: z.string(),
  /** How long automated snapshots are kept; 0 = there are none. */
  retentionDays: z.number().int(),
  earliest: z.iso.datetime().nullable(),
  latest: z.iso.datetime().nullable(),
});
export type ManagedRecovery = z.infer<typeof ManagedRecovery>;

export const FoundManagedSnapshots = z.object({
  /** The one that the snapshots are of: the cluster, where an instance belongs to one. */
  resource: RdsResource,
  recovery: ManagedRecovery,
  snapshots: z.array(FoundManagedSnapshot).max(MOST_MANAGED_SNAPSHOTS),
  /** False: there are more. */
  complete: z.boolean(),
});
export type FoundManagedSnapshots = z.infer<typeof FoundManagedSnapshots>;
