import { z } from 'zod';
import { AwsRegion, FoundCredentials, SecretAccessKey } from '../aws-credentials.js';
import { CloudAccount, FoundManagedSnapshot, ManagedRecovery, RdsResource } from '../managed-snapshots.js';
import { PageQuery } from './page.js';

/** Region and resource may be left out where the server's own name at Amazon tells them. The secret is never returned. */
export const SetCloudAccount = z
  .object({
    provider: z.literal('aws').default('aws'),
    region: AwsRegion.optional(),
    resource: RdsResource.optional(),
    credentials: z.discriminatedUnion('source', [SecretAccessKey, FoundCredentials]),
  })
  .strict()
  .meta({ id: 'SetCloudAccount' });
export type SetCloudAccount = z.infer<typeof SetCloudAccount>;

export const CloudAccountState = z
  .object({
    server: z.string(),
    /** Null = the provider of this server is not asked. */
    account: CloudAccount.nullable(),
    /** When it last answered; null = not yet. */
    answeredAt: z.iso.datetime().nullable(),
    /** Why the last question was not answered. */
    error: z.object({ code: z.string(), message: z.string(), hint: z.string().optional() }).nullable(),
    recovery: ManagedRecovery.nullable(),
  })
  .meta({ id: 'CloudAccountState' });
export type CloudAccountState = z.infer<typeof CloudAccountState>;

/**
 * A snapshot that lies at the provider and nowhere else. It is in none of our repositories, protected by none of our rules, and counts as
 * no proof.
 */
export const ManagedSnapshot = FoundManagedSnapshot.extend({
  id: z.string(),
  server: z.string(),
  /** An automated one goes with the server that it is of, unless its owner says otherwise when he deletes that. */
  vanishesWithServer: z.boolean(),
  firstSeenAt: z.iso.datetime(),
  seenAt: z.iso.datetime(),
  /** When the provider told of it no more. */
  goneAt: z.iso.datetime().nullable(),
}).meta({ id: 'ManagedSnapshot' });
export type ManagedSnapshot = z.infer<typeof ManagedSnapshot>;

export const ManagedSnapshotQuery = PageQuery.extend({
  origin: FoundManagedSnapshot.shape.origin.optional(),
  /** `false` = only those that are there, `true` = only those that are gone. */
  gone: z.enum(['true', 'false']).optional(),
});
export type ManagedSnapshotQuery = z.infer<typeof ManagedSnapshotQuery>;
