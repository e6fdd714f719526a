import type { BlobStore } from '@rahat/blob-store-port';
import { RahatError } from '@rahat/contracts';
import { KEYS_PREFIX } from '../layout.js';
import { MAX_KEYSLOT_BYTES, parseKeyslot, type Keyslot } from './keyslot-file.js';

/** A file of keys/ as far as it can be understood. */
export type StoredKeyslot = { ok: true; id: string; slot: Keyslot } | { ok: false; id: string; error: RahatError };

/** Trying a slot may cost a gigabyte and seconds; nobody needs more ways in, but a forger could store any number. */
const MAX_KEYSLOTS = 64;

/** Every slot of this repository in the order of their ids; those that a broken-off creation left are passed over. */
export async function* readKeyslots(store: BlobStore, repositoryId: Buffer): AsyncGenerator<StoredKeyslot> {
  let count = 0;
  for await (const { name, sizeBytes } of store.list(KEYS_PREFIX)) {
    const id = name.slice(KEYS_PREFIX.length);
    try {
      const slot = await readKeyslot(store, id, sizeBytes);
      if (slot.repository !== repositoryId.toString('hex')) continue;
      if (++count > MAX_KEYSLOTS) throw new RahatError('repository_damaged', `The repository has more than ${MAX_KEYSLOTS} keyslots.`);
      yield { ok: true, id, slot };
    } catch (error) {
      if (!(error instanceof RahatError)) throw error;
      // Removed since it was listed.
      if (error.code === 'blob_not_found') continue;
      if (!error.code.startsWith('repository_') || count > MAX_KEYSLOTS) throw error;
      yield { ok: false, id, error };
    }
  }
}

/** Throws `repository_damaged`, `repository_unsupported` or what the storage throws. */
export async function readKeyslot(store: BlobStore, id: string, sizeBytes: number): Promise<Keyslot> {
  const name = `${KEYS_PREFIX}${id}`;
  if (sizeBytes > MAX_KEYSLOT_BYTES) throw new RahatError('repository_damaged', `Keyslot ${name} is larger than any keyslot can be.`);
  return parseKeyslot(name, await store.get(name));
}
