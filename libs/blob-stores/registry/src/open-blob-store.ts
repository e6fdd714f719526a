import { LocalStore } from '@rahat/blob-store-local';
import type { BlobStore } from '@rahat/blob-store-port';
import type { StorageSettings } from '@rahat/contracts';

/** One line a driver. */
const DRIVERS: {
  [Driver in StorageSettings['driver']]: (settings: Extract<StorageSettings, { driver: Driver }>, prefix: string) => BlobStore;
} = {
  local: (settings, prefix) => new LocalStore(settings, prefix),
};

/** `prefix` is the repository's place within the storage; '' is the storage's root. */
export function openBlobStore(settings: StorageSettings, prefix: string): BlobStore {
  return DRIVERS[settings.driver](settings, prefix);
}
