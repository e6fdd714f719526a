import type { BlobStore } from '@rahat/blob-store-port';
import { RahatError } from '@rahat/contracts';
import { BoundedStore } from './bounded-store.js';
import { LEASE_TTL_MS, SYSTEM_CLOCK, type CacheOptions, type Clock, type RepositoryContext } from './context.js';
import { openConfig, type RepositoryConfig } from './descriptor/config.js';
import { parseDescriptor } from './descriptor/descriptor.js';
import { deriveKeys, SECRET_BYTES, type RepositoryKeys, type RepositorySecrets } from './keys/derivation.js';
import { openKeyslots } from './keys/open-keyslots.js';
import { writeOnlyKeys } from './keys/write-only.js';
import { CONFIG_NAME, DESCRIPTOR_NAME } from './layout.js';
import { PROTOCOL } from './protocol.js';
import { OpenRepository, WriteOnlyRepository } from './repository-engine.js';
import type { Repository, RepositoryCredential, WritableRepository, WriteOnlyAccess } from './repository.js';
import type { ThreadPool } from './threads/thread-pool.js';

export interface OpenOptions {
  /** For tests of threads. */
  threads?: ThreadPool;
  /** For tests of leases and clocks. */
  clock?: Clock;
  leaseTtlMs?: number;
  /** Of each call to the storage; by default an eighth of a lease's life (repository.md §7), which is short where that is. */
  callDeadlineMs?: number;
  /** Keeps the index on the local disk between sessions. */
  cache?: CacheOptions;
  /** Memory for rows of the index, in bytes, besides 5 to 7 bytes a chunk; default 32 MiB. */
  indexMemoryBytes?: number;
  /** Memory for opened frames of one session that reads, in bytes; default 40 MiB. */
  frameMemoryBytes?: number;
  /** Hears what doesn't work and is worked around, such as a cache on a full disk. */
  onNotice?: (message: string) => void;
}

/**
 * Opens a repository; never writes. A write-only credential gives a repository that can't read data.
 * Throws `repository_not_found`, `repository_unsupported`, `repository_damaged`, `repository_wrong_passphrase`, `repository_wrong_key`,
 * `recovery_key_mistyped`, or what the storage throws.
 */
export function openRepository(store: BlobStore, credential: RepositoryCredential, options?: OpenOptions): Promise<Repository>;
export function openRepository(
  store: BlobStore,
  credential: RepositoryCredential | WriteOnlyAccess,
  options?: OpenOptions,
): Promise<WritableRepository>;
export async function openRepository(
  store: BlobStore,
  credential: RepositoryCredential | WriteOnlyAccess,
  options: OpenOptions = {},
): Promise<WritableRepository> {
  const leaseTtlMs = options.leaseTtlMs ?? LEASE_TTL_MS;
  const clock = options.clock ?? SYSTEM_CLOCK;
  const bounded = new BoundedStore(store, options.callDeadlineMs ?? leaseTtlMs / 8, clock);
  const descriptorText = (await readDescriptor(bounded)).toString('utf8');
  const repositoryId = Buffer.from(parseDescriptor(descriptorText).id, 'hex');
  const contextOf = async (keys: RepositoryKeys): Promise<RepositoryContext> => {
    const config = await readConfig(bounded, repositoryId, keys);
    if (config.descriptor !== descriptorText) {
      throw new RahatError('repository_damaged', 'File rahat.json was changed: it differs from the copy in the sealed configuration.');
    }
    const { cache, indexMemoryBytes, frameMemoryBytes, onNotice: notice, threads } = options;
    const place = { store: bounded, repositoryId, keys, config };
    return { ...place, clock, leaseTtlMs, protocol: PROTOCOL, cache, indexMemoryBytes, frameMemoryBytes, notice, threads };
  };
  if (credential.type === 'write-only') {
    const { credential: file } = credential;
    if (file.repository !== repositoryId.toString('hex')) {
      throw new RahatError('repository_wrong_key', 'The write-only credential belongs to another repository.');
    }
    return new WriteOnlyRepository(await contextOf(writeOnlyKeys(file)));
  }
  const secrets = credential.type === 'secrets' ? checkedSecrets(credential) : await openKeyslots(bounded, repositoryId, credential);
  return new OpenRepository(await contextOf(deriveKeys(secrets)), secrets);
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

/** Every writer could seal another configuration: the public key in it must be the one that the credential knows. */
async function readConfig(store: BlobStore, repositoryId: Buffer, keys: RepositoryKeys): Promise<RepositoryConfig> {
  try {
    const config = openConfig(keys.metadata, repositoryId, await store.get(CONFIG_NAME));
    if (config.packPublicKey === keys.packPublic.toString('base64')) return config;
    throw new RahatError('repository_damaged', 'The public key in the configuration does not belong to this repository.');
  } catch (error) {
    if (!(error instanceof RahatError) || error.code !== 'blob_not_found') throw error;
    throw new RahatError('repository_damaged', 'File config of the repository is missing.', { cause: error });
  }
}

function checkedSecrets({ masterKey, identitySecret }: RepositorySecrets): RepositorySecrets {
  if (masterKey.length !== SECRET_BYTES || identitySecret.length !== SECRET_BYTES) {
    throw new RahatError('invalid_input', `The secrets of a repository have ${SECRET_BYTES} bytes each.`);
  }
  return { masterKey: Buffer.from(masterKey), identitySecret: Buffer.from(identitySecret) };
}
