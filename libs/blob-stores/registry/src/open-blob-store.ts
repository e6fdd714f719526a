import { LocalStore } from '@rahat/blob-store-local';
import { RETRY_POLICY, RetryingStore, withRetries, type BlobStore, type RetryPolicy } from '@rahat/blob-store-port';
import type { StorageConnection } from '@rahat/contracts';

/** A disk's trouble rarely passes; what looks like it is a network mount that comes back. */
const LOCAL_POLICY: RetryPolicy = { ...RETRY_POLICY, tries: 3, firstPauseMs: 200 };

interface Driver<Connection> {
  policy: RetryPolicy;
  open(connection: Connection, prefix: string): Promise<BlobStore>;
}

/** One line a driver. What is heavy is loaded when it is first used. */
const DRIVERS: { [Name in StorageConnection['driver']]: Driver<Extract<StorageConnection, { driver: Name }>> } = {
  local: { policy: LOCAL_POLICY, open: async (connection, prefix) => new LocalStore(connection, prefix) },
  s3: { policy: RETRY_POLICY, open: async (connection, prefix) => (await import('@rahat/blob-store-s3')).openS3Store(connection, prefix) },
};

/**
 * `prefix` is the repository's place within the storage; '' is the storage's root. Calls of the store, and opening it, are
 * repeated while their trouble may pass.
 * @throws RahatError `storage_*`: what is wrong with the place or the key, and what to do
 */
export async function openBlobStore(
  connection: StorageConnection,
  prefix: string,
  patience: Partial<RetryPolicy> = {},
): Promise<BlobStore> {
  const driver = DRIVERS[connection.driver] as Driver<StorageConnection>;
  const policy = { ...driver.policy, ...patience };
  const store = await withRetries(policy, undefined, () => driver.open(connection, prefix));
  return new RetryingStore(store, policy);
}
