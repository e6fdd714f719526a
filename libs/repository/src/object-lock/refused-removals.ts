import type { BlobStore, CallOptions } from '@rahat/blob-store-port';
import { RahatError } from '@rahat/contracts';

/** false where the storage's object lock refuses it, which only time changes: the file stays for a later try. */
export async function removeUnlessLocked(store: BlobStore, name: string, options?: CallOptions): Promise<boolean> {
  try {
    await store.remove(name, options);
    return true;
  } catch (error) {
    if (error instanceof RahatError && error.code === 'storage_locked') return false;
    throw error;
  }
}
