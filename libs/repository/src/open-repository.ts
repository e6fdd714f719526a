import type { BlobStore } from '@rahat/blob-store-port';
import { RahatError } from '@rahat/contracts';
import { BoundedStore } from './bounded-store.js';
import { LEASE_TTL_MS, SYSTEM_CLOCK, type CacheOptions, type Clock } from './context.js';
import { openConfig, type RepositoryConfig } from './descriptor/config.js';
import { parseDescriptor } from './descriptor/descriptor.js';
import { deriveKeys, SECRET_BYTES, type RepositorySecrets } from './keys/derivation.js';
import { openPassphraseSlot, parseKeyslot } from './keys/keyslots.js';
import { CONFIG_NAME, DESCRIPTOR_NAME, KEYS_PREFIX } from './layout.js';
import { PROTOCOL } from './protocol.js';
import { OpenRepository } from './repository-engine.js';
import type { Repository, RepositoryCredential } from './repository.js';
import type { ThreadPool } from './threads/thread-pool.js';

export interface OpenOptions {
  /** For tests of threads. */
  threads?: ThreadPool;
  /** For tests of leases and clocks. */
  clock?: Clock;
  leaseTtlMs?: number;
  /** Keeps the index on the local disk between sessions. */
  cache?: CacheOptions;
  /** Memory for rows of the index, in bytes, besides 5 to 7 bytes a chunk; default 32 MiB. */
  indexMemoryBytes?: number;
  /** Hears what doesn't work and is worked around, such as a cache on a full disk. */
  onNotice?: (message: string) => void;
}

export async function openRepository(store: BlobStore, credential: RepositoryCredential, options: OpenOptions = {}): Promise<Repository> {
  const leaseTtlMs = options.leaseTtlMs ?? LEASE_TTL_MS;
  const clock = options.clock ?? SYSTEM_CLOCK;
  const bounded = new BoundedStore(store, leaseTtlMs / 8, clock);
  const descriptorText = (await readDescriptor(bounded)).toString('utf8');
  const repositoryId = Buffer.from(parseDescriptor(descriptorText).id, 'hex');
  const secrets =
    credential.type === 'secrets' ? checkedSecrets(credential) : await openKeyslots(bounded, repositoryId, credential.passphrase);
  const keys = deriveKeys(secrets);
  const config = await readConfig(bounded, repositoryId, keys.metadata);
  if (config.descriptor !== descriptorText) {
    throw new RahatError('repository_damaged', 'File rahat.json was changed: it differs from the copy in the sealed configuration.');
  }
  if (config.packPublicKey !== keys.packPublic.toString('base64')) {
    throw new RahatError('repository_damaged', 'The public key in the configuration does not belong to this repository.');
  }
  const { cache, indexMemoryBytes, onNotice: notice, threads } = options;
  const place = { store: bounded, repositoryId, keys, config };
  return new OpenRepository({ ...place, clock, leaseTtlMs, protocol: PROTOCOL, cache, indexMemoryBytes, notice, threads }, secrets);
}

async function readDescriptor(store: BlobStore): Promise<Buffer> {
  try {
    return await store.get(DESCRIPTOR_NAME);
  } catch (error) {
    if (!(error instanceof RahatError) || error.code !== 'blob_not_found') throw error;
    throw new RahatError('repository_not_found', `There is no repository in ${store.description}: rahat.json is missing.`, {
      cause: error,
    });
  }
}

async function readConfig(store: BlobStore, repositoryId: Buffer, metadataKey: Buffer): Promise<RepositoryConfig> {
  try {
    return openConfig(metadataKey, repositoryId, await store.get(CONFIG_NAME));
  } catch (error) {
    if (!(error instanceof RahatError) || error.code !== 'blob_not_found') throw error;
    throw new RahatError('repository_damaged', 'File config of the repository is missing.', { cause: error });
  }
}

/** Tries each slot of this repository; never writes. A damaged slot is told of only when no other one opens. */
async function openKeyslots(store: BlobStore, repositoryId: Buffer, passphrase: string): Promise<RepositorySecrets> {
  let damage: RahatError | undefined;
  let tried = 0;
  for await (const { name } of store.list(KEYS_PREFIX)) {
    try {
      const slot = parseKeyslot(name, await store.get(name));
      // Left by a creation that was broken off.
      if (slot.repository !== repositoryId.toString('hex')) continue;
      tried++;
      const secrets = await openPassphraseSlot(slot, passphrase);
      if (secrets) return secrets;
    } catch (error) {
      if (!(error instanceof RahatError) || error.code !== 'repository_damaged') throw error;
      damage ??= error;
    }
  }
  if (damage) throw damage;
  if (tried === 0) throw new RahatError('repository_damaged', 'The repository has no keyslot: its folder keys/ is empty.');
  throw new RahatError('repository_wrong_passphrase', `The passphrase opens none of the repository's ${tried} keyslots.`);
}

function checkedSecrets({ masterKey, identitySecret }: RepositorySecrets): RepositorySecrets {
  if (masterKey.length !== SECRET_BYTES || identitySecret.length !== SECRET_BYTES) {
    throw new RahatError('invalid_input', `The secrets of a repository have ${SECRET_BYTES} bytes each.`);
  }
  return { masterKey: Buffer.from(masterKey), identitySecret: Buffer.from(identitySecret) };
}
