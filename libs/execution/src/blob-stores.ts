import { LocalStore } from '@rahat/blob-store-local';
import type { BlobStore } from '@rahat/blob-store-port';
import type { StorageSettings } from '@rahat/contracts';

/** The registry of storage drivers: one line each. `prefix` is the repository's place within the storage. */
export function openBlobStore(settings: StorageSettings, prefix: string): BlobStore {
  switch (settings.driver) {
    case 'local':
      return new LocalStore(settings, prefix);
  }
}
