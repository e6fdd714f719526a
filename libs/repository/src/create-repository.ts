import { randomBytes } from 'node:crypto';
import type { BlobStore } from '@rahat/blob-store-port';
import { RahatError } from '@rahat/contracts';
import { BoundedStore } from './bounded-store.js';
import { LEASE_TTL_MS } from './context.js';
import { newConfig, sealConfig } from './descriptor/config.js';
import { formatDescriptor, newDescriptor } from './descriptor/descriptor.js';
import { deriveKeys, SECRET_BYTES } from './keys/derivation.js';
import { newKeyslot, type KdfCost } from './keys/ways-in.js';
import { CONFIG_NAME, DESCRIPTOR_NAME, KEYS_PREFIX, PACKS_PREFIX, SNAPSHOTS_PREFIX } from './layout.js';
import { openRepository, type OpenOptions } from './open-repository.js';
import type { Repository } from './repository.js';

export interface CreateOptions extends OpenOptions {
  passphrase: string;
  /** Of a sibling repository, so that copies between them move only what is missing. */
  identitySecret?: Buffer;
  /** For tests only: a cheaper derivation weakens the passphrase. */
  kdf?: KdfCost;
}

/** rahat.json comes last: before it there is no repository, and a broken-off creation can be repeated. */
export async function createRepository(place: BlobStore, options: CreateOptions): Promise<Repository> {
  const store = new BoundedStore(place, LEASE_TTL_MS / 8, options.clock);
  const { passphrase, identitySecret = randomBytes(SECRET_BYTES), kdf } = options;
  if (passphrase === '') throw new RahatError('invalid_input', 'The passphrase of a repository must not be empty.');
  if (identitySecret.length !== SECRET_BYTES) throw new RahatError('invalid_input', `An identity secret has ${SECRET_BYTES} bytes.`);
  await refuseOccupiedPlace(store);
  const secrets = { masterKey: randomBytes(SECRET_BYTES), identitySecret };
  const keys = deriveKeys(secrets);
  const repositoryId = randomBytes(16);
  const descriptor = formatDescriptor(newDescriptor(repositoryId, (options.clock ?? { now: () => new Date() }).now()));
  const slot = await newKeyslot(secrets, repositoryId, { type: 'passphrase', passphrase, label: 'passphrase', cost: kdf });
  await store.put(`${KEYS_PREFIX}${slot.id}`, slot.file);
  await store.put(CONFIG_NAME, sealConfig(keys.metadata, repositoryId, newConfig(descriptor, keys.packPublic)));
  await putDescriptor(store, Buffer.from(descriptor));
  return openRepository(place, { type: 'secrets', ...secrets }, options);
}

async function refuseOccupiedPlace(store: BlobStore): Promise<void> {
  if (await store.stat(DESCRIPTOR_NAME))
    throw new RahatError('repository_exists', `There is a repository in ${store.description} already.`);
  for (const prefix of [SNAPSHOTS_PREFIX, PACKS_PREFIX]) {
    for await (const { name } of store.list(prefix)) {
      // Someone's backups that lost their rahat.json: creating here would take away their keys.
      throw new RahatError(
        'repository_exists',
        `${store.description} holds files of a repository without its rahat.json (${name}); it is not touched.`,
      );
    }
  }
}

async function putDescriptor(store: BlobStore, file: Buffer): Promise<void> {
  try {
    await store.put(DESCRIPTOR_NAME, file, { ifAbsent: store.capabilities.conditionalPut });
  } catch (error) {
    if (!(error instanceof RahatError) || error.code !== 'blob_exists') throw error;
    throw new RahatError('repository_exists', `Another repository was created in ${store.description} at the same moment.`, {
      cause: error,
    });
  }
}
